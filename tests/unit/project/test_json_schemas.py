"""docs/schemas: each command with --json has a schema, which is current and valid."""

import json

import pytest
from jsonschema import Draft202012Validator, ValidationError

from tools import cli_docs, json_schemas

SCHEMAS = {path.stem: json.loads(text) for path, text in json_schemas.pages().items()}


def test_schemas_folder_contains_no_other_files() -> None:
    assert {path.stem for path in json_schemas.FOLDER.iterdir()} == set(SCHEMAS)


def test_commands_with_json_all_have_a_schema() -> None:
    names = {
        cli_docs.schema_name(verb.name)
        for verb in cli_docs.verbs()
        if any("--json" in item.names for item in verb.items)
    }
    assert len(names) > 40 and names == set(SCHEMAS) - {"error"}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_valid_and_describes_each_key(name: str) -> None:
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    for kind, definition in schema["$defs"].items():
        assert definition["description"] and "default" not in str(definition["properties"].keys())
        if name != "config-show":
            without = [
                key
                for key, value in definition["properties"].items()
                if "description" not in value and "const" not in value and "enum" not in value
            ]
            assert not without, kind


def test_schema_of_score_refuses_a_missing_key_and_a_wrong_type() -> None:
    row = {
        "path": "/a.png",
        "sha256": None,
        "score": 0.5,
        "deviation": None,
        "label": None,
        "head": None,
        "embedder": "lite0",
        "error": None,
        "missing": None,
        "taste": "default",
    }
    properties = SCHEMAS["score"]["$defs"]["Response"]["properties"]
    row |= {key: None for key in properties if key not in row}
    validator = Draft202012Validator(SCHEMAS["score"])
    validator.validate(row)
    validator.validate(row | {"a key of a newer version": 1})
    for wrong in (row | {"score": "0.5"}, {key: row[key] for key in row if key != "error"}):
        with pytest.raises(ValidationError):
            validator.validate(wrong)
