#!/usr/bin/env python3
"""What the official clients offer today: the whole snapshot to a folder, then the folder to the other hub.

    store_and_forward.py hf-ms|ms-hf NAMESPACE/NAME FOLDER

The environment names the servers and tokens: ``HF_ENDPOINT``, ``HF_TOKEN``, ``MODELSCOPE_ENDPOINT``,
``MODELSCOPE_API_TOKEN``. Every option of the clients is left at its default.
"""

import os
import sys


def hugging_face_to_modelscope(repo: str, folder: str) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(repo, local_dir=folder)

    from modelscope_hub import HubApi

    api = HubApi(token=os.environ["MODELSCOPE_API_TOKEN"], endpoint=os.environ["MODELSCOPE_ENDPOINT"])
    api.create_repo(repo, "model", visibility="public")
    api.upload_folder(repo, "model", folder)


def modelscope_to_hugging_face(repo: str, folder: str) -> None:
    from modelscope import snapshot_download

    snapshot_download(repo, local_dir=folder)

    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo(repo)
    api.upload_folder(repo_id=repo, folder_path=folder)


if __name__ == "__main__":
    direction, repo, folder = sys.argv[1:]
    carry = {"hf-ms": hugging_face_to_modelscope, "ms-hf": modelscope_to_hugging_face}[direction]
    carry(repo, folder)
