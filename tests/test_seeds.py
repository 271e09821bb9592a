from logo_tf import seeds


def test_streams_are_named_and_reproducible():
    assert seeds.derive(0, "a") == seeds.derive(0, "a")
    drawn = {seeds.derive(s, *n) for s in (0, 1) for n in (("a",), ("b",), ("a", 1))}
    assert len(drawn) == 6
    assert all(0 <= value < 2**31 for value in drawn)
    assert seeds.generator(0, "a").random() == seeds.generator(0, "a").random()
    assert len(set(seeds.pair(0, "a"))) == 2
