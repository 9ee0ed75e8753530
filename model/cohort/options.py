"""The command line of process.py."""

import argparse
from pathlib import Path
from typing import Any

from model.cases import LAYOUTS
from model.installed import usual_weights
from model.options import Parser, add_device, refuse, whole
from model.terminal import Loudness

INPUT, OUTPUT = Path("/input"), Path("/output")
EXAMPLES = (
    "python process.py -i CASES -o MASKS                      # many patients, see the layouts in docs/formats.md",
    "python process.py --ct ct.nii.gz --ce ce.nii.gz -o mask.nii.gz",
    "python process.py --ct DICOM_FOLDER --ce DICOM_FOLDER -o MASKS",
    "python process.py --ct ct.nii.gz --single-ct -o MASKS    # no contrast CT: worse results",
)
EXITS = "0 all cases done, 2 bad input or some case failed (a line each on stderr), 130 stopped"


def parse_arguments(arguments: list[str] | None, description: str | None = None) -> argparse.Namespace:
    """Ends the program with 2 where the options make no sense."""
    parser = Parser(description=description, examples=EXAMPLES, exits=EXITS)
    # So that --help shows no default for --no-tta and the like.
    parser.set_defaults(tta=True, search=True, loudness=Loudness.USUAL)
    off: dict[str, Any] = {"action": "store_false", "default": argparse.SUPPRESS}
    add = parser.add_argument
    add("-i", "--input", type=Path, default=INPUT, help="folder with the CTs, of many patients or of one")
    add("-o", "--output", type=Path, default=OUTPUT, help="folder for the masks; of one patient also a file")
    add("--ct", type=Path, metavar="CT", help="instead of --input: a non-contrast CT, file or DICOM folder")
    add("--ce", type=Path, metavar="CE", help="the contrast-enhanced CT that belongs to --ct")
    add("--single-ct", action="store_true", help="where the contrast CT is missing, take --ct for both")
    add("--weights", type=Path, default=usual_weights(), help="weights file")
    add("--layout", choices=LAYOUTS, default="auto", help="how the files are arranged, see docs/formats.md")
    add_device(parser)
    add("--precision", choices=("auto", "fp32"), default="auto", help="auto: 16 bit where hardware has it")
    add("--no-tta", dest="tta", **off, help="one pass per window, no mirrors")
    add("--all-mirrors", action="store_true", help="all mirrors of every window, not only of those in doubt")
    add("--no-search", dest="search", **off, help="look at every window, with all mirrors unless --no-tta")
    add("--keep-small", action="store_true", help="keep lesions however small they are")
    add("--preview", action="store_true", help="also a picture of each case: preview/CASE.png")
    add("--probabilities", action="store_true", help="also 8-bit maps of each structure's probability")
    add("--uncertainty", action="store_true", help="also an 8-bit map of how far mirrors disagree")
    add("--extras", type=Path, metavar="FOLDER", help="for these, instead of --output; layout exec needs it")
    add("--resume", action="store_true", help="leave cases alone whose result is there and up to date")
    add("--json", type=Path, metavar="F", help="what came of the one case, as in the manifest of many")
    add("--on-error", choices=("fail", "empty"), default="fail", help="what a case that cannot be read gets")
    add("--serve", action="store_true", help="invoke mode: GET /health, POST /invoke")
    add("--port", type=whole(0, 65535), default=4743, help="of the invoke mode")
    say: dict[str, Any] = {"action": "store_const", "dest": "loudness", "default": argparse.SUPPRESS}
    loud = parser.add_mutually_exclusive_group()
    loud.add_argument("--quiet", **say, const=Loudness.QUIET, help="print warnings and errors alone")
    loud.add_argument(
        "--verbose", **say, const=Loudness.VERBOSE, help="print versions, threads and tracebacks too"
    )
    args = parser.parse_args(arguments)
    check_together(args)
    return args


def check_together(args: argparse.Namespace) -> None:
    """Ends the program with 2 where options do not go together."""
    if args.all_mirrors and not args.tta:
        refuse("--no-tta", "not together with --all-mirrors", "give one of them")
    asked = args.preview or args.probabilities or args.uncertainty
    if args.extras and not asked:
        refuse("--extras", "nothing to go there", "add --preview, --probabilities or --uncertainty")
    if args.serve and asked and not args.extras:
        refuse("--serve", "the platform takes what lies in the output", "give another folder with --extras")
    if args.ce and not args.ct:
        refuse("--ce", "there is no --ct", "give both CTs")
    if args.ct and not args.ce and not args.single_ct:
        remedy = "give the contrast CT with --ce, or --single-ct for worse results without it"
        refuse("--ct", "there is no --ce", remedy)
    if args.ct and args.input != INPUT:
        refuse("--ct", "not together with --input", "give one of them")
    if args.ct and (args.serve or args.layout != "auto"):
        refuse("--ct", "not together with --serve or --layout", "leave these out")
