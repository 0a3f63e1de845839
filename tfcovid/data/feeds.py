"""A stream whose elements other processes make: tf.data's service, dealt so that order is exact.

Left to itself the service hands out elements as they come. Here each feed is a service of its own
with one worker, which gives its elements in order, and which of them it makes is settled
before: feed s of k makes elements s, s + k, s + 2k …, and they are put together in turn. The
stream is then that of no feed, whatever k.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf


def dealt(
    items: tf.data.Dataset,
    made: Callable[[tf.data.Dataset], tf.data.Dataset],
    feeds: Sequence[str],
) -> tf.data.Dataset:
    """Returns `made(items)`, computed by the feeds in turn.

    Args:
      items: what the elements are made of; a graph of the standard operations.
      made: makes them, one of each item, in order.
      feeds: HOST:PORT of each, all of them reachable: a stream waits for one that is not for
        ever. None has them made here.
    """
    if not feeds:
        return made(items)
    service = tf.data.experimental.service
    parts = [
        made(items.shard(len(feeds), number)).apply(
            service.distribute(
                service.ShardingPolicy.OFF,
                service=f"grpc://{address}",
                # Noise of augmented X-rays is no smaller when it is compressed.
                compression=None,
            )
        )
        for number, address in enumerate(feeds)
    ]
    turns = tf.data.Dataset.range(len(feeds)).repeat()
    return tf.data.Dataset.choose_from_datasets(parts, turns, stop_on_empty_dataset=True)
