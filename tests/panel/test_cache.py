"""The bounded memory."""

from concurrent.futures import ThreadPoolExecutor

from policyscope.panel.shelf.cache import Cache


def test_made_once_while_kept():
    cache, made = Cache(100), []
    for _ in range(3):
        assert cache.get("a", lambda: made.append(1) or b"abc", len) == b"abc"
    assert (len(made), cache.used) == (1, 3)


def test_the_least_recently_used_go_first():
    cache = Cache(10)
    for key in ("a", "b", "a", "c"):
        cache.get(key, lambda: b"1234", len)
    made = []
    for key in ("a", "c", "b"):
        cache.get(key, lambda k=key: made.append(k) or b"1234", len)
    assert made == ["b"]
    assert cache.used <= 10


def test_what_is_too_large_is_not_kept():
    cache = Cache(3)
    assert cache.get("a", lambda: b"1234", len) == b"1234"
    assert cache.used == 0


def test_forgets_by_key():
    cache = Cache()
    cache.get(("a", 1), lambda: b"12", len)
    cache.get(("b", 1), lambda: b"345", len)
    cache.forget(lambda key: key[0] == "a")
    assert cache.used == 3


def test_sizes_add_up_with_many_threads():
    cache = Cache(50)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: cache.get(i % 9, lambda: b"x" * 10, len), range(500)))
    assert cache.used == sum(size for _, size in cache._values.values()) <= 50
