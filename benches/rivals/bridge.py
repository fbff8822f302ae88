#!/usr/bin/env python3
"""`hfms-bridge` with its own command line, between stand-ins.

    bridge.py hf2ms|ms2hf SOURCE DESTINATION …

The environment names the servers: ``HF_ENDPOINT``, ``MODELSCOPE_ENDPOINT``. One thing is set from outside: the bridge sends its
token to ModelScope's upload gateway when that is the endpoint itself or a host of the same domain. On loopback the gateway is
the same host on another port, so hosts are compared without their ports. Nothing else differs from ``hfms-bridge …``.
"""

import sys
from urllib.parse import urlparse

import hfms_bridge.hubs.ms
from hfms_bridge.cli import main

hfms_bridge.hubs.ms.origin = lambda url: (urlparse(url).scheme, urlparse(url).hostname)

if __name__ == "__main__":
    sys.exit(main())
