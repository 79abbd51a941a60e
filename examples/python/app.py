"""Publish to a topic, or consume a group of it, with nats-py and nothing of MessageBus.

    app.py publish URL CREDS SUBJECT TEXT
    app.py consume URL CREDS TOPIC GROUP COUNT

Needs the packages nats-py and nkeys.
"""

import asyncio
import sys

import nats
from nats.errors import TimeoutError as NothingWaits


async def publish(js, subject: str, text: str) -> None:
    # safe once this has returned
    ack = await js.publish(subject, text.encode())
    print(f"stored as {ack.stream} {ack.seq}")


async def consume(js, topic: str, group: str, count: str) -> None:
    # both exist already; an application cannot make or change them
    sub = await js.pull_subscribe_bind(durable=group, stream=f"{topic}@{group}")
    left = int(count)
    while left > 0:
        try:
            messages = await sub.fetch(left, timeout=5)
        except NothingWaits:
            continue
        for message in messages:
            print(f"{message.subject} {message.data.decode()}")
            # the work is done: the message is gone when the server has this
            await message.ack_sync()
            left -= 1


async def main(mode: str, url: str, creds: str, *rest: str) -> None:
    nc = await nats.connect(url, user_credentials=creds, max_reconnect_attempts=-1)
    try:
        await {"publish": publish, "consume": consume}[mode](nc.jetstream(), *rest)
    finally:
        await nc.close()


if __name__ == "__main__":
    if len(sys.argv) < 6:
        sys.exit("usage: app.py publish URL CREDS SUBJECT TEXT | app.py consume URL CREDS TOPIC GROUP COUNT")
    asyncio.run(main(*sys.argv[1:]))
