#compdef imgscore

_imgscore_completion() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _IMGSCORE_COMPLETE=complete_zsh imgscore)
}

compdef _imgscore_completion imgscore
[ "$funcstack[1]" = _imgscore ] && _imgscore_completion "$@"
