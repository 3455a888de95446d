"""Hits of Flask-Caching's memoize on a Redis server of this machine.

Reads counts, a line each; makes as many hits, and prints how many there were in a second.
"""

import sys
import time

from flask import Flask
from flask_caching import Cache

KEYS = 1024

app = Flask("bench")
cache = Cache(
    app,
    config={
        "CACHE_TYPE": "RedisCache",
        "CACHE_REDIS_HOST": "127.0.0.1",
        "CACHE_REDIS_PORT": int(sys.argv[1]),
        "CACHE_DEFAULT_TIMEOUT": 3600,
    },
)


@cache.memoize(3600)
def page(n):
    return "%01024d" % n


with app.app_context():
    for n in range(KEYS):
        page(n)
    for line in sys.stdin:
        count = int(line)
        start = time.perf_counter()
        for n in range(count):
            page(n % KEYS)
        print(count / (time.perf_counter() - start), flush=True)
