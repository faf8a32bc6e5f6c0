"""Turns at a device: in the order in which they were asked for."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from fpga_rt.update.turns import Turns


def _until_waiting(turns: Turns, count: int) -> None:
    while turns.waiting < count:
        time.sleep(0.001)


def test_who_asks_first_is_next() -> None:
    """Also before the thread that has just had a turn and asks again at once."""
    turns, order = Turns(), list[str]()

    def ask(name: str) -> None:
        with turns:
            order.append(name)

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("first", "second")]
    with turns:
        for number, thread in enumerate(threads):
            thread.start()
            _until_waiting(turns, number + 1)
    ask("again")
    for thread in threads:
        thread.join()
    assert order == ["first", "second", "again"]


def test_one_at_a_time() -> None:
    turns, inside, most = Turns(), [0], list[int]()

    def work() -> None:
        for _ in range(200):
            with turns:
                inside[0] += 1
                most.append(inside[0])
                time.sleep(0)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 800
    assert set(most) == {1}
    assert turns.waiting == 0


def test_who_fails_gives_the_turn_back() -> None:
    turns = Turns()
    with pytest.raises(KeyError), turns:
        raise KeyError
    with turns:
        pass


@pytest.mark.parametrize("given", [False, True])
def test_who_is_interrupted_while_waiting_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    """Before the turn was given, and in the very moment after."""
    turns = Turns()

    class Interrupted:
        taken = False

        def acquire(self) -> None:
            if not self.taken:
                self.taken = True
                return
            if given:
                turns.__exit__(None, None, None)
            raise KeyboardInterrupt

        def release(self) -> None:
            self.taken = False

    with monkeypatch.context() as patch:
        turns.__enter__()
        patch.setattr("fpga_rt.update.turns.threading", SimpleNamespace(Lock=Interrupted))
        with pytest.raises(KeyboardInterrupt):
            turns.__enter__()
    assert turns.waiting == 0
    if not given:
        turns.__exit__(None, None, None)
    with turns:
        pass


@pytest.mark.parametrize("taken", [False, True])
def test_who_is_interrupted_before_waiting_is_not_waited_for(taken: bool) -> None:
    """In the very moment after the turn was asked for, and taken if it was free."""
    turns = Turns()

    class Interrupting:
        mutex, armed = turns._mutex, False

        def __enter__(self) -> None:
            self.mutex.acquire()

        def __exit__(self, *error: object) -> None:
            self.mutex.release()
            if self.armed:
                self.armed = False
                raise KeyboardInterrupt

    mutex = turns._mutex = Interrupting()  # type: ignore[assignment]
    if taken:
        turns.__enter__()
    mutex.armed = True
    with pytest.raises(KeyboardInterrupt):
        turns.__enter__()
    assert turns.waiting == 0
    if taken:
        turns.__exit__(None, None, None)
    later = threading.Thread(target=turns.__enter__, daemon=True)
    later.start()
    later.join(20)
    assert not later.is_alive()
