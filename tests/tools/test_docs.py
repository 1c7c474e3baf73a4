"""The pages made from the registry."""

from flambeau.core.registry import OPS
from tools import docs


def test_an_entry_has_signature_text_methods_and_rules():
    text = docs.entry(OPS["add"])
    assert text.startswith("## add\n\n    add(input, other, *, alpha=1)\n\ninput + alpha * other")
    assert "Methods: `Tensor.add`, `Tensor.add_`" in text
    assert 'add.vjp("other")' in text


def test_every_operation_is_on_its_familys_page(tmp_path):
    docs.write(tmp_path)
    index = (tmp_path / "README.md").read_text()
    for operation in OPS.values():
        assert f"`{operation.__name__}`" in index
        page = tmp_path / f"{docs.family(operation)}.md"
        assert f"## {operation.__name__}\n" in page.read_text()


def test_operations_made_by_a_helper_belong_to_the_file_that_names_them():
    assert docs.family(OPS["exp"]) == docs.family(OPS["cos"]) == "unary"
    assert docs.family(OPS["eq"]) == "comparison"
