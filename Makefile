# Each target is what a user would type. `make` alone lists them.
PYTHON ?= python3
IMAGE ?= gtvseg
TARGET ?= exec
MINUTES ?= 1
WEIGHTS ?= weights/gtv.pt
MODEL ?= model.tar.gz
RUN = .venv/bin/python

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 14

setup: .venv/ready  ## .venv with everything that demo, test and lint need

.venv/ready: requirements-dev.txt
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "no venv in $(PYTHON): apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch .venv/ready

demo: setup  ## one full-size phantom: paired CTs in, masks out, scores and a picture
	rm -rf build/demo
	$(RUN) -m phantom build/demo/input --cases 1 --seed 2026 --geometry segrap --layout exec
	$(RUN) process.py --input build/demo/input --output build/demo/output
	$(RUN) evaluate.py build/demo/output/images/gross-tumor-volume-segmentation build/demo/input/reference \
	  --overlay build/demo/overlay.png --image build/demo/input/images/head-neck-ct

test: setup  ## the test suite
	$(RUN) -m pytest

test-slow: setup  ## the suite with the tests that take minutes
	$(RUN) -m pytest -m ""

bench: setup  ## whether anything became slower, larger or less exact (bench/guard.json)
	$(RUN) -m bench.guard

fuzz: setup  ## the readers against hostile files (MINUTES=30)
	PYTHONPATH=.:test $(RUN) -m fuzz --minutes $(MINUTES)

lint: setup  ## style and types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

docs: setup  ## docs/troubleshooting.md anew, from the messages in the code
	PYTHONPATH=.:test $(RUN) -m pages.troubleshooting

image:  ## the container image, with Docker (TARGET=invoke: the server; TARGET=evaluation: the judge)
	docker build --platform linux/amd64 --target $(TARGET) $(BASE_IMAGE:%=--build-arg BASE_IMAGE=%) \
	  $(EVALUATION_BASE_IMAGE:%=--build-arg EVALUATION_BASE_IMAGE=%) --tag $(IMAGE) .

export: image  ## the archive that the platform takes
	docker save --output $(IMAGE).tar $(IMAGE)
	gzip --force $(IMAGE).tar

model:  ## model.tar.gz: the weights alone, to upload apart from the image (WEIGHTS=weights/mine.pt)
	mkdir -p build/model
	cp $(WEIGHTS) build/model/gtv.pt
	tar -czf $(MODEL) -C build/model gtv.pt

image-test: setup  ## build the images and run them under the challenge's restrictions
	PYTHON=$(RUN) bash test/image/run.sh
	PYTHON=$(RUN) bash test/image/evaluation.sh

clean:  ## what demo, tests and setup made
	rm -rf build .venv $(IMAGE).tar $(IMAGE).tar.gz $(MODEL)

.PHONY: help setup demo bench fuzz test test-slow lint docs image export model image-test clean
