"""Which file is imported for which verb."""

from imgscore.cli.main import ELSEWHERE, FILES, file_of, load


def test_every_verb_is_found_in_its_file() -> None:
    app = load()
    where: dict[str, str] = {}
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        where[name] = command.callback.__module__
    for group in app.registered_groups:
        assert group.name is not None and group.typer_instance is not None
        (module,) = {
            command.callback.__module__
            for command in group.typer_instance.registered_commands
            if command.callback is not None
        }
        where[group.name] = module
    assert {verb: f"imgscore.cli.{file_of(verb)}" for verb in where} == where
    assert set(ELSEWHERE) <= set(where)
    assert len(set(where.values())) == len(FILES)
    assert file_of("nonsense") is None
