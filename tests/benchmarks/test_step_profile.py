import pytest

from benchmarks.step_profile import PARTS, REST, page, part_of, shares_of


@pytest.mark.parametrize(
    ("operation", "part"),
    [
        ("aten::addmm", "matrix products of layers"),
        ("mkldnn::_linear_pointwise", "matrix products of layers"),
        ("aten::baddbmm", "attention"),
        ("_AttentionBackward", "attention"),
        ("aten::_softmax_backward_data", "attention"),
        ("_DroppedBackward", "dropout"),
        ("aten::copy_", "copies, casts, zeros"),
        ("aten::gelu_backward", "activations, norms of layers, sums"),
        ("aten::_fused_adamw_", "optimizer, norm of the gradient"),
        ("autograd::engine::evaluate_function: AddmmBackward0", REST),
        ("aten::view", REST),
    ],
)
def test_an_operation_belongs_to_a_part(operation, part):
    assert part_of(operation) == part


def test_the_shares_of_all_parts_are_the_whole():
    found = shares_of({"aten::mm": 30.0, "aten::addmm": 20.0, "aten::bmm": 40.0, "aten::empty": 10.0})
    assert set(found) == {*PARTS, REST}
    assert found["matrix products of layers"] == 0.5
    assert (found["attention"], found[REST], found["dropout"]) == (0.4, 0.1, 0.0)


def test_the_page_tells_a_limit_where_there_is_one():
    case = {"title": "full", "texts": "short", "step_ms": 200.0, "shares": shares_of({"aten::mm": 1.0})}
    cases = {"full": {**case, "needed_ms": 50.0}, "partial": {**case, "title": "partial", "needed_ms": None}}
    conditions = {"machine": "a processor", "precision": "bf16", "threads": 1, "versions": {"torch": "2"}}
    lines = page({"cases": cases, "conditions": conditions}).splitlines()
    assert "|  | full, short texts | partial, short texts |" in lines
    assert "| matrix products of layers | 100% | 100% |" in lines
    assert lines[-1] == "| limit, ms (share of the step) | 50 (25%) |  |"
