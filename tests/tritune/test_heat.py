from tritune.heat import heats

PROBE = {"score": "accuracy", "values": [["embeddings", 0.5], ["layer.0", 0.9]]}


def changed(drift: float, alike: float, probe=PROBE) -> dict:
    return {
        "drift": [["embeddings", 0.0], ["layer.0", drift], ["final", 0.01]],
        "alike": [["embeddings", 1.0], ["layer.0", alike]],
        "probe": probe,
    }


def test_numbers_are_means_over_seeds_and_the_strongest_has_the_strongest_colour():
    tables, left_out = heats(
        {"full": [changed(0.02, 0.8), changed(0.06, 0.6)], "partial": [changed(0.02, 0.9), changed(0, 1.0)]}
    )
    moved, alike, probe = tables
    assert left_out == []
    assert moved.columns == ["embeddings", "layer.0", "final"]
    assert [(name, [tuple(cell) for cell in cells]) for name, cells in moved.rows] == [
        ("full", [("0", 0), ("4.00\u202f%", 100), ("1.00\u202f%", 25)]),
        ("partial", [("0", 0), ("1.00\u202f%", 25), ("1.00\u202f%", 25)]),
    ]
    assert [tuple(cell) for cell in alike.rows[0][1]] == [("1", 0), ("0.700", 100)]
    assert [tuple(cell) for cell in probe.rows[1][1]] == [("0.500", 0), ("0.900", 100)]
    assert probe.caption.startswith("Accuracy on a sample of validation rows")


def test_where_nothing_moved_nothing_is_coloured():
    same = changed(0.0, 1.0)
    same["drift"][2][1] = 0.0
    tables, _ = heats({"full": [same]})
    assert {cell.shade for heat in tables[:2] for _, cells in heat.rows for cell in cells} == {0}


def test_a_probe_that_makes_no_sense_is_left_out_with_its_reason():
    tables, left_out = heats({"full": [changed(0.02, 0.8, probe={"left_out": "it says nothing"})]})
    assert len(tables) == 2
    assert left_out == ["What each layer could already answer is left out: it says nothing."]
