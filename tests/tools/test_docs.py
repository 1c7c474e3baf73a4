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
    index = (tmp_path / "index.md").read_text()
    for operation in OPS.values():
        family = operation.__module__.rpartition(".")[2]
        assert f"`{operation.__name__}`" in index
        assert f"## {operation.__name__}\n" in (tmp_path / f"{family}.md").read_text()
