# The platform's own template has this base: CUDA 12.6 is what its T4 (sm_75) need. torch 2.5 and later will do.
ARG BASE_IMAGE=docker.io/pytorch/pytorch:2.13.0-cuda12.6-cudnn9-runtime
# Of the evaluation, which needs no torch.
ARG EVALUATION_BASE_IMAGE=docker.io/library/python:3.12-slim
FROM ${BASE_IMAGE} AS product

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

# Letters only: the platform refuses other user names, and root.
RUN groupadd --system user && useradd --system --no-log-init --no-create-home --gid user user

WORKDIR /opt/app
COPY requirements.txt ./
# Newer bases refuse a plain pip install (PEP 668); the image is for nothing else, so it needs no venv. Older pips ignore it.
RUN PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --no-cache-dir -r requirements.txt && rm requirements.txt

COPY process.py ./
COPY model model
COPY weights weights
# Any user id may run it, and nothing can be written there at run time: compile now.
RUN python3 -m compileall -q . && chmod -R a+rX .

USER user:user
ENTRYPOINT ["python3", "/opt/app/process.py"]

# `--target invoke`: the platform's current template, a server that keeps the model loaded.
FROM product AS invoke
LABEL org.grand-challenge.api-method="invoke"
CMD ["--serve"]

# `--target evaluation`: the challenge's own side, which judges submissions; also a server.
FROM ${EVALUATION_BASE_IMAGE} AS evaluation

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

RUN groupadd --system user && useradd --system --no-log-init --no-create-home --gid user user

WORKDIR /opt/app
COPY requirements.txt ./
RUN sed --in-place '/^torch/d' requirements.txt \
  && PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --no-cache-dir -r requirements.txt && rm requirements.txt

COPY evaluate_submission.py ./
COPY evaluation evaluation
COPY model/*.py model/
COPY model/images model/images
RUN python3 -m compileall -q . && chmod -R a+rX .

USER user:user
LABEL org.grand-challenge.api-method="invoke"
ENTRYPOINT ["python3", "/opt/app/evaluate_submission.py"]
CMD ["--serve"]

# The default: one run, one case, no label.
FROM product AS exec
