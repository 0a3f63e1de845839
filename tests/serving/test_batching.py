"""Images that arrive together are one call, and each keeps its own answer and its own failure."""

import asyncio
import contextlib
import threading

import numpy as np
import pytest
import tensorflow as tf

from tfcovid.serving.batching import Batcher, RowError
from tfcovid.serving.incoming import Row


class Doubling:
    """A model that doubles its rows, refuses -1, and remembers what it was called with."""

    def __init__(self):
        self.calls = []

    def __call__(self, name, rows):
        self.calls.append((name, list(rows)))
        if any(np.min(row) < 0 for row in rows):
            raise tf.errors.InvalidArgumentError(None, None, "no image")
        return [{"twice": 2 * np.asarray(row)} for row in rows]


@contextlib.asynccontextmanager
async def batcher_of(call, *, max_batch_size=4, max_pixels=10**9, timeout_s=0.05):
    sizes = []
    batcher = Batcher(
        call,
        max_batch_size=max_batch_size,
        max_pixels=max_pixels,
        timeout_s=timeout_s,
        observe=sizes.append,
    )
    task = asyncio.create_task(batcher.run())
    try:
        yield batcher, sizes
    finally:
        task.cancel()
        batcher.close()


def row(value, pixels=1):
    return Row(np.array([[[value]]]), pixels)


async def twice(batcher, value, signature="double", pixels=1):
    (outputs,) = await batcher.answers(signature, [row(value, pixels)])
    return outputs["twice"].item()


def test_images_that_arrive_together_are_one_call_and_each_gets_its_own_answer():
    async def run():
        model = Doubling()
        async with batcher_of(model, max_batch_size=8, timeout_s=5.0) as (batcher, sizes):
            found = await asyncio.gather(*(twice(batcher, i) for i in range(8)))
        assert found == [2 * i for i in range(8)]
        assert sizes == [8] and len(model.calls) == 1

    asyncio.run(run())


def test_no_call_is_larger_than_the_limit_and_none_is_lost():
    async def run():
        async with batcher_of(Doubling(), max_batch_size=3) as (batcher, sizes):
            found = await asyncio.gather(*(twice(batcher, i) for i in range(10)))
        assert found == [2 * i for i in range(10)]
        assert max(sizes) == 3 and sum(sizes) == 10

    asyncio.run(run())


def test_one_image_alone_is_called_after_its_time():
    async def run():
        async with batcher_of(Doubling(), timeout_s=0.01) as (batcher, sizes):
            assert await twice(batcher, 21) == 42
        assert sizes == [1]

    asyncio.run(run())


def test_images_that_come_while_the_model_is_busy_share_the_next_call():
    async def run():
        begun, go_on = threading.Event(), threading.Event()

        def call(name, rows):
            begun.set()
            assert go_on.wait(60)
            return [{"twice": 2 * value} for value in rows]

        async with batcher_of(call, timeout_s=0.0) as (batcher, sizes):
            first = asyncio.create_task(twice(batcher, 0))
            await asyncio.to_thread(begun.wait, 60)
            others = [asyncio.create_task(twice(batcher, i)) for i in (1, 2, 3)]
            await asyncio.sleep(0)
            go_on.set()
            assert await asyncio.gather(first, *others) == [0, 2, 4, 6]
        assert sizes == [1, 3]

    asyncio.run(run())


def test_an_image_that_the_model_refuses_fails_alone():
    async def run():
        model = Doubling()
        async with batcher_of(model, max_batch_size=8, timeout_s=5.0) as (batcher, _):
            values = [1, 2, 3, -1, 5, 6, 7, 8]
            found = await asyncio.gather(
                *(twice(batcher, value) for value in values), return_exceptions=True
            )
        assert isinstance(found[3], RowError)
        assert found[:3] + found[4:] == [2, 4, 6, 10, 12, 14, 16]
        # Halves, not one call an image: 8, 4, 2 and 1 of those with it, and the halves without.
        assert len(model.calls) == 7

    asyncio.run(run())


def test_the_image_that_failed_is_named_in_its_request():
    async def run():
        async with batcher_of(Doubling()) as (batcher, _):
            with pytest.raises(RowError) as caught:
                await batcher.answers("double", [row(1), row(2), row(-1)])
        assert caught.value.index == 2
        assert isinstance(caught.value.reason, tf.errors.InvalidArgumentError)

    asyncio.run(run())


def test_a_fault_of_the_model_reaches_every_image_and_the_next_call_still_works():
    async def run():
        broken = [True]

        def call(name, rows):
            if broken.pop():
                broken.append(False)
                raise TypeError("a fault")
            broken.append(False)
            return [{"twice": 2 * value} for value in rows]

        async with batcher_of(call, max_batch_size=2, timeout_s=5.0) as (batcher, _):
            found = await asyncio.gather(
                twice(batcher, 1), twice(batcher, 2), return_exceptions=True
            )
            assert [type(error.reason) for error in found] == [TypeError, TypeError]
            assert await asyncio.gather(twice(batcher, 1), twice(batcher, 2)) == [2, 4]

    asyncio.run(run())


def test_signatures_and_shapes_are_not_mixed_in_a_call():
    async def run():
        model = Doubling()
        wide = Row(np.array([[[1], [2]]]), 2)
        async with batcher_of(model, max_batch_size=8) as (batcher, sizes):
            await asyncio.gather(
                twice(batcher, 1, "one"),
                twice(batcher, 2, "other"),
                batcher.answers("one", [wide]),
                twice(batcher, 3, "one"),
            )
        assert sorted(sizes) == [1, 1, 2]
        assert all(len({np.shape(value) for value in rows}) == 1 for _, rows in model.calls)

    asyncio.run(run())


def test_pixels_of_one_call_are_limited_but_a_single_image_passes():
    async def run():
        async with batcher_of(Doubling(), max_pixels=100) as (batcher, sizes):
            found = await asyncio.gather(
                twice(batcher, 0, pixels=60),
                twice(batcher, 1, pixels=60),
                twice(batcher, 2, pixels=40),
                twice(batcher, 3, pixels=500),
            )
        assert found == [0, 2, 4, 6]
        assert sizes == [2, 1, 1]

    asyncio.run(run())


def test_an_image_that_nobody_waits_for_is_not_classified():
    async def run():
        model = Doubling()
        async with batcher_of(model, timeout_s=0.2) as (batcher, _):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await twice(batcher, 1)
            assert await twice(batcher, 2) == 4
        assert [value.item() for _, rows in model.calls for value in rows] == [2]

    asyncio.run(run())
