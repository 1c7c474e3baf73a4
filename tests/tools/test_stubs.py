"""The stubs made from the registry and the extension."""

import ast

import flambeau
from tools import stubs


def functions(text):
    return {
        node.name: node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)
    }


def test_both_stubs_are_python():
    ast.parse(stubs.package_stub())
    ast.parse(stubs.extension_stub())


def test_every_public_name_is_in_the_package_stub():
    text = stubs.package_stub()
    bound = set(functions(text))
    for node in ast.parse(text).body:
        if isinstance(node, ast.AnnAssign):
            bound.add(node.target.id)
        elif isinstance(node, ast.ImportFrom):
            bound.update(alias.asname or alias.name for alias in node.names)
    assert stubs.public_names(flambeau).keys() <= bound


def test_an_operation_keeps_its_parameters():
    add = functions(stubs.package_stub())["add"]
    assert [a.arg for a in add.args.args] == ["input", "other"]
    assert [a.arg for a in add.args.kwonlyargs] == ["alpha", "out"]


def test_methods_of_tensor_are_in_the_base_class():
    found = functions(stubs.extension_stub())
    for name in ("add", "add_", "__add__", "__radd__", "view", "item"):
        assert found[name].args.args[0].arg == "self"
    assert found["view"].args.vararg.arg == "size"
    assert [a.arg for a in found["__add__"].args.args] == ["self", "other"]


def test_built_in_types_cannot_be_mistaken_for_dtypes():
    assert stubs._qualified("(x: bool, y: list, z: dict[str, int]) -> float") == (
        "(x: builtins.bool, y: builtins.list[Any], z: builtins.dict[builtins.str, builtins.int])"
        " -> builtins.float"
    )
