# imgscore for Nix: `nix-build packaging/nix`. The source is this checkout.
#
# uform and simsimd are not in nixpkgs, so they are built here. nixpkgs must have Pillow 13 and the
# other versions that pyproject.toml names; pythonRelaxDeps is not used, since each bound has a reason.
{
  pkgs ? import <nixpkgs> { },
  python3Packages ? pkgs.python3Packages,
}:

let
  lib = pkgs.lib;
  version = builtins.head (
    builtins.match ".*__version__ = \"([^\"]+)\".*" (builtins.readFile ../../imgscore/__init__.py)
  );

  simsimd = python3Packages.buildPythonPackage rec {
    pname = "simsimd";
    version = "6.5.16";
    pyproject = true;
    src = python3Packages.fetchPypi {
      inherit pname version;
      hash = "sha256-CgBcbi2s7IPyNadH99vsyka11NHhg+zBkpylVu59dWQ=";
    };
    build-system = [ python3Packages.setuptools ];
    pythonImportsCheck = [ "simsimd" ];
  };

  uform = python3Packages.buildPythonPackage rec {
    pname = "uform";
    version = "3.1.3";
    format = "wheel";
    src = python3Packages.fetchPypi {
      inherit pname version format;
      dist = "py3";
      python = "py3";
      hash = "sha256-AMyPhA+ZewB5Wd82wkzy/xI6P1p8NuS2OjtQ1JVdMp0=";
    };
    dependencies = with python3Packages; [ huggingface-hub pillow simsimd tokenizers ];
  };
in
python3Packages.buildPythonApplication {
  pname = "imgscore";
  inherit version;
  pyproject = true;
  src = lib.cleanSource ../..;

  build-system = [ python3Packages.hatchling ];
  dependencies = (
    with python3Packages;
    [
      apscheduler
      huggingface-hub
      jeepney
      lmdb
      msgspec
      numpy
      onnxruntime
      pillow
      pillow-heif
      rich
      safetensors
      tokenizers
      tomlkit
      typer
      watchdog
    ]
  ) ++ [ uform ];
  optional-dependencies = with python3Packages; {
    raw = [ rawpy ];
    dask = [ distributed ];
    parquet = [ pyarrow ];
    torch = [ torch ];
    tray = [ pystray ];
  };

  nativeBuildInputs = [ pkgs.installShellFiles ];
  postInstall = ''
    installShellCompletion --bash --name imgscore.bash completions/imgscore.bash
    installShellCompletion --zsh --name _imgscore completions/imgscore.zsh
    installShellCompletion --fish completions/imgscore.fish
    mkdir -p $out/lib/systemd/user $out/share/metainfo
    substitute systemd/imgscored.service $out/lib/systemd/user/imgscored.service \
      --replace-fail "/usr/bin/env imgscored" "$out/bin/imgscored"
    cp packaging/imgscore.metainfo.xml \
      $out/share/metainfo/example.imgscore.imgscore.metainfo.xml
  '';
  # The data of the wheel has the man pages in share/man, where Nix expects them.
  doInstallCheck = true;
  installCheckPhase = ''
    runHook preInstallCheck
    packaging/main-job $out/bin
    runHook postInstallCheck
  '';

  meta = {
    description = "Learns your taste in images and sorts your folders by it, through the file date";
    homepage = "https://imgscore.example/";
    license = lib.licenses.asl20;
    mainProgram = "imgscore";
    platforms = lib.platforms.linux;
  };
}
