"""The airway from the nostrils to the trachea, with the walls around it."""

from phantom.anatomy.patient import Patient
from phantom.drawing.canvas import Canvas, Kind, Tissue
from phantom.drawing.shapes import Box, Chain, Column, Ellipsoid, Shape, Union, Without

_THROAT = (
    (-30, 0, -44, 14, 6),
    (-45, 0, -40, 14, 5),
    (-58, 0, -41, 13, 7),
    (-75, 0, -43, 13, 8),
    (-92, 0, -45, 13, 8.5),
    (-106, 0, -47, 12, 8),
)
_LARYNX = (
    (-100, 0, -50, 11, 8),
    (-112, 0, -50, 8, 10),
    (-122, 0, -50, 4.5, 11),
    (-126, 0, -50, 2.2, 11),
    (-131, 0, -49, 5.5, 10),
    (-145, 0, -45, 8, 9),
    (-160, 0, -40, 9, 8.5),
    (-185, 0, -28, 9.5, 8.5),
    (-215, 0, -12, 9.5, 8.5),
    (-255, 0, 6, 9.5, 9),
    (-340, 0, 30, 10, 9),
)


def paint_throat_walls(canvas: Canvas, patient: Patient) -> None:
    """Pharyngeal constrictors, nasopharyngeal walls, laryngeal soft tissue and cartilages, oesophagus."""
    palette = patient.palette
    walls = Column(tuple((z, x, y, rx + 4.5, ry + 4.5) for z, x, y, rx, ry in _THROAT), 2.4)
    canvas.paint(walls, palette.muscle, 0.6)
    canvas.paint(Ellipsoid((0, -42, -20), (23, 13, 18)), palette.muscle, 0.8)
    canvas.paint(Ellipsoid((0, -38, -10), (15, 9, 7)), palette.mucosa, 1.0)
    for side in (1, -1):
        tonsil = Ellipsoid((side * 16, -45, -56), patient.scale((6, 7, 12), 0.2))
        canvas.paint(tonsil, palette.mucosa, 0.8)
    canvas.paint(Ellipsoid((0, -54, -82), (17, 6, 10)), palette.mucosa, 0.8)
    canvas.paint(
        Column(
            ((-96, 0, -52, 18, 14), (-112, 0, -50, 19, 17), (-128, 0, -48, 17, 16), (-142, 0, -44, 13, 13))
        ),
        palette.muscle,
    )
    _paint_cartilages(canvas, patient)
    oesophagus = Column(
        (
            (-140, 0, -29, 9, 4),
            (-165, 3, -25, 8, 5.5),
            (-200, 5, -11, 8, 6),
            (-255, 4, 24, 8, 7),
            (-340, 3, 44, 9, 7),
        )
    )
    canvas.paint(oesophagus, palette.muscle, 0.5)


def _paint_cartilages(canvas: Canvas, patient: Patient) -> None:
    palette = patient.palette
    calcified = Tissue(float(patient.rng.uniform(90, 500)), 3, 100, Kind.BONE)
    outer = Column(((-104, 0, -52, 21, 17), (-126, 0, -50, 20, 18), (-134, 0, -48, 17, 16)), 2.0)
    inner = Column(((-100, 0, -50, 17.5, 13.5), (-140, 0, -47, 16.5, 14.5)))
    behind = Box((0, -30, -118), (40, 16, 40))
    canvas.paint(Without(Without(outer, inner), behind), calcified)
    ring = Without(
        Column(((-150, 0, -43, 13, 13), (-141, 0, -45, 14, 14), (-131, 0, -40, 12, 8))),
        Column(((-160, 0, -44, 9.5, 10), (-120, 0, -47, 9.5, 10))),
    )
    canvas.paint(ring, calcified)
    trachea = Column(tuple((z, x, y, rx + 2, ry + 2) for z, x, y, rx, ry in _LARYNX if z < -140))
    canvas.paint(trachea, palette.cartilage)


def paint_airway(canvas: Canvas, patient: Patient) -> None:
    """Air, then what stands in it: septum, turbinates, uvula and epiglottis."""
    palette = patient.palette
    air = palette.air
    _paint_nose(canvas, patient)
    calibre = float(patient.rng.uniform(0.8, 1.15))
    pharynx: list[Shape] = [Ellipsoid((0, -49, -19), (13.5 * calibre, 8, 15))]
    for side in (1, -1):
        pharynx.append(Chain(((side * 8, -43, -18), (side * 18, -38, -16)), (4.5, 2.2), (1, 1, 2)))
    canvas.paint(Union(tuple(pharynx), 3), air, 0.8)
    for side in (1, -1):
        canvas.paint(Ellipsoid((side * 15, -48, -20), (4, 3.5, 7)), palette.mucosa, 0.4)
    throat = Column(tuple((z, x, y, rx * calibre, ry) for z, x, y, rx, ry in _THROAT), 2.2)
    canvas.paint(throat, air, 0.8, "Pharynx")
    canvas.paint(Column(_LARYNX), air, 0.2, "Trachea")
    for side in (1, -1):
        canvas.paint(Ellipsoid((side * 11, -41, -112), (3, 4, 11)), air, 0.5)
    canvas.paint(Chain(((0, -44, -44), (0, -42, -60)), (4, 2.6)), palette.mucosa)
    epiglottis = Chain(((0, -56, -108), (0, -50, -86)), (2.2, 1.6), (5, 1, 1))
    canvas.paint(epiglottis, palette.mucosa)
    if patient.rng.random() < 0.5:
        canvas.paint(Ellipsoid((0, -85, -48), (18, 16, 1.8)), air, 0.8)


def _paint_nose(canvas: Canvas, patient: Patient) -> None:
    palette = patient.palette
    cavity = Union((Box((0, -79, -17), (15, 25, 11.5), 6), Box((0, -80, 2), (8, 22, 14), 5)), 4)
    canvas.paint(cavity, palette.air)
    for side in (1, -1):
        nostril = Chain(((side * 7, -112, -20), (side * 6, -104, -12)), (3.4, 4.4))
        canvas.paint(nostril, palette.air)
        swelling = float(patient.rng.uniform(0.85, 1.45))
        lower = Chain(
            ((side * 12, -101, -19), (side * 12, -60, -19)), (4.2 * swelling, 4.6 * swelling), (1, 1, 1.5)
        )
        middle = Chain(
            ((side * 9, -94, -4), (side * 10, -60, -4)), (2.9 * swelling, 3.3 * swelling), (1, 1, 1.8)
        )
        upper = Chain(((side * 6, -86, 8), (side * 6, -62, 6)), (2.0, 2.2), (1, 1, 1.5))
        for turbinate in (lower, middle, upper):
            canvas.paint(turbinate, palette.mucosa, 0.5)
    bend = patient.septum_bend_mm
    for height in (-22, -10, 2, 12):
        shift = bend * (1 - abs(height + 8) / 25)
        septum = Chain(
            ((0, -110, height), (shift, -82, height), (0, -58, height)), (1.7, 1.6, 1.8), (1, 1, 5)
        )
        canvas.paint(septum, palette.disc)
