"""What the image holds, as far as that can be seen without building it; run.sh builds it."""

import runpy
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.installed import NAME
from model.network.bundle import Bundle, Normalisation, save_bundle
from model.network.plan import NetworkPlan
from model.network.unet import UNet

PLAN = NetworkPlan(2, 3, (4, 8), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (1, 1), (1,))


@pytest.fixture
def app(root, tmp_path) -> Path:
    """The product's folder as in the image, without weights."""
    shutil.copytree(root / "model", tmp_path / "app" / "model", ignore=shutil.ignore_patterns("importing"))
    shutil.copy(root / "process.py", tmp_path / "app")
    return tmp_path / "app"


def model_files(app: Path) -> set[str]:
    return {str(path.relative_to(app / "model")) for path in (app / "model").rglob("*.py")}


def test_exceptions_reach_subfolders_and_the_importer_stays_outside(root):
    """Builders do not enter an excluded folder unless an exception begins with its path, without wildcards."""
    lines = (root / ".dockerignore").read_text().splitlines()
    exceptions = [line[1:] for line in lines if line.startswith("!")]
    assert "model" in exceptions and not any("*" in str(Path(line).parent) for line in exceptions)
    assert lines.index("model/importing") > lines.index("!model")
    # Nothing else can be taken, dicom/ with its packages least of all.
    tops = {Path(line).parts[0] for line in exceptions}
    evaluation = {"evaluate_submission.py", "evaluation"}
    assert "*" in lines and tops == {"process.py", "requirements.txt", "model", "weights"} | evaluation


def test_the_evaluator_is_in_its_own_image_alone(root):
    stages = dict(_stages(root))
    product, evaluation = ("\n".join(stages[name]) for name in ("product", "evaluation"))
    assert "evaluat" not in product and "COPY evaluation evaluation" in evaluation
    assert not any(word in evaluation for word in ("process.py", "weights", "COPY model model"))
    assert 'LABEL org.grand-challenge.api-method="invoke"' in evaluation


def test_process_runs_without_the_importer(app, tmp_path):
    scheme = Normalisation(-150.0, 250.0, 40.0, 60.0)
    state = UNet(PLAN).state_dict()
    save_bundle(
        Bundle(PLAN, (8, 8, 8), (3.0, 1.0, 1.0), (scheme, scheme), (0,), {}, (state,)), tmp_path / "w.pt"
    )
    code = "import process, model.serve; process.load_predictor(process.parse_arguments(['--weights', '../w.pt']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=app, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("load w.pt for ")


@pytest.mark.parametrize("fault", ["", "missing", "besides", "importer", "uncompiled"])
def test_the_check_from_within_names_what_is_missing_or_too_much(root, app, fault):
    check_files = runpy.run_path(str(root / "test/image/check_inside.py"))["check_files"]
    expected = model_files(app)
    # As the build leaves it.
    shutil.rmtree(app / "model" / "__pycache__", ignore_errors=True)
    (app / "model" / "__pycache__").mkdir()
    (app / "model" / "__pycache__" / "cases.cpython-311.pyc").touch()
    if fault == "missing":
        (app / "model" / "images" / "read.py").unlink()
    elif fault == "besides":
        (app / "model" / "images" / "notes.txt").touch()
    elif fault == "importer":
        (app / "model" / "importing").mkdir()
        (app / "model" / "importing" / "v2.py").touch()
    elif fault == "uncompiled":
        for path in app.rglob("*.pyc"):
            path.unlink()
    if not fault:
        check_files(app, expected)
        return
    message = {
        "missing": r"fault: missing in model/: \['images/read.py'\]",
        "besides": r"fault: more than the product in model/: \['images/notes.txt'\]",
        "importer": r"fault: more than the product in model/: \['importing/v2.py'\]",
        "uncompiled": "fault: nothing was byte-compiled",
    }[fault]
    with pytest.raises(SystemExit, match=message):
        check_files(app, expected)


def test_weights_are_packed_apart_as_the_platform_unpacks_them(root, tmp_path):
    """The archive's content goes to /opt/ml/model, where gtv.pt is looked for."""
    if not shutil.which("make"):
        pytest.skip("no make here")
    (tmp_path / "mine.pt").write_bytes(b"weights")
    given = [f"WEIGHTS={tmp_path / 'mine.pt'}", f"MODEL={tmp_path / 'model.tar.gz'}"]
    subprocess.run(["make", "model", *given], cwd=root, check=True, capture_output=True)
    with tarfile.open(tmp_path / "model.tar.gz") as archive:
        (member,) = archive
        assert member.name == "gtv.pt" == NAME and archive.extractfile(member).read() == b"weights"


def test_the_invoke_image_is_the_other_one_as_a_labelled_server(root):
    """The platform tells the two templates apart by the label; without a target the one without it is built."""
    stages = dict(_stages(root))
    assert list(stages) == ["product", "invoke", "evaluation", "exec"]
    invoke, last = stages["invoke"], stages["exec"]
    assert invoke[0].startswith("product ") and last[0].startswith("product ")
    assert 'LABEL org.grand-challenge.api-method="invoke"' in invoke and 'CMD ["--serve"]' in invoke
    assert not any(line.startswith(("LABEL", "CMD")) for line in stages["product"] + last)


def _stages(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Name and lines, the first of which has what the stage begins with."""
    for part in (root / "Dockerfile").read_text().split("\nFROM ")[1:]:
        lines = part.splitlines()
        yield lines[0].rpartition(" AS ")[2], lines


def test_the_judge_runs_with_what_its_image_holds(root, tmp_path):
    """Without torch and the packages of reports and progress bars."""
    app = tmp_path / "app"
    shutil.copytree(root / "evaluation", app / "evaluation")
    shutil.copytree(root / "model" / "images", app / "model" / "images")
    for path in (root / "model").glob("*.py"):
        shutil.copy(path, app / "model")
    shutil.copy(root / "evaluate_submission.py", app)
    hidden = ("torch", "tqdm", "jinja2", "matplotlib", "pydicom")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({hidden}))\nimport evaluate_submission, model.serve\n"
    )
    code += "sys.exit(evaluate_submission.main(['--input', 'nowhere']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=app, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: nowhere/predictions.json: no such file; give predictions.json as grand-challenge writes it"
    ]
