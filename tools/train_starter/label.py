"""Label faces by the teachers: python -m tools.train_starter.label WORK --bisenet 79999_iter.pth --landmarker TASK.

Goes on where it stopped. Leaves WORK/labels/SEED.npz: landmarks (5, 2) in pixels of the face's picture, classes
(256, 256) of `bisenet.CLASSES`, blendshapes (52,), age (1,), female (1,):
1, 0 or NaN if the gender is not clear. Pictures without exactly one clear face get none.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import t2f_agegender
import t2f_yunet

from text2face_core.contracts import Runtime
from text2face_core.models import ModelStore
from text2face_core.records import Photo, Pixels, Portrait

from .store import SHAPES

Values = npt.NDArray[np.float32]


class Labels(NamedTuple):
    """The teachers' labels of a face."""

    landmarks: Values
    classes: npt.NDArray[np.uint8]
    blendshapes: Values
    age: Values
    female: Values


class Blendshapes:
    """The 52 face shapes of MediaPipe's face landmarker, 0 to 1 each."""

    def __init__(self, task: Path) -> None:
        import mediapipe as mp
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(BaseOptions(str(task)), output_face_blendshapes=True)
        self._mp: Any = mp
        self._landmarker = vision.FaceLandmarker.create_from_options(options)

    def __call__(self, pixels: Pixels) -> dict[str, float]:
        """Name to figure; empty where no face is found."""
        picture = self._mp.Image(image_format=self._mp.ImageFormat.SRGB, data=np.ascontiguousarray(pixels))
        found = self._landmarker.detect(picture).face_blendshapes
        return {shape.category_name: float(shape.score) for shape in found[0]} if found else {}


class Teachers:
    """All teachers at once."""

    def __init__(self, regions: Path, landmarker: Path, threads: int) -> None:
        import onnxruntime

        runtime = Runtime(ModelStore(), threads=threads)
        self._detector = t2f_yunet.build(t2f_yunet.YuNetOptions(), runtime)
        self._age = t2f_agegender.build(t2f_agegender.AgeGenderOptions(), runtime)
        self._blendshapes = Blendshapes(landmarker)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        self._regions: Any = onnxruntime.InferenceSession(str(regions), settings, providers=["CPUExecutionProvider"])

    def __call__(self, pixels: Pixels) -> Labels | None:
        """Labels of a (512, 512, 3) uint8 RGB picture; None if it does not show exactly one clear face."""
        faces = self._detector.detect([pixels])[0]
        shapes = self._blendshapes(pixels)
        if len(faces) != 1 or not shapes:
            return None
        (classes,) = self._regions.run(None, {"pixels": pixels[None]})
        (findings,) = self._age.extract([Portrait(Photo("", "", pixels), faces[0])])
        age = next(float(finding.value) for finding in findings if finding.name == "age")
        female = next((float(finding.value == "female") for finding in findings if finding.name == "gender"), np.nan)
        figures = np.array([shapes[name] for name in SHAPES], np.float32)
        return Labels(faces[0].landmarks, classes[0], figures, np.float32([age]), np.float32([female]))


def main() -> None:
    """Label all faces that have no labels yet."""
    parser = argparse.ArgumentParser(description="Label faces by the teachers.")
    parser.add_argument("work", type=Path, help="the folder of the whole training")
    parser.add_argument("--bisenet", type=Path, required=True, help="79999_iter.pth")
    parser.add_argument("--landmarker", type=Path, required=True, help="face_landmarker.task")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    regions = given.work / "bisenet.onnx"
    if not regions.exists():
        from .bisenet import export

        export(given.bisenet, regions)
    folder = given.work / "labels"
    folder.mkdir(exist_ok=True)
    teachers = Teachers(regions, given.landmarker, given.threads)
    left_out = 0
    todo = [
        path for path in sorted((given.work / "faces").glob("*[0-9].jpg")) if not (folder / f"{path.stem}.npz").exists()
    ]
    for number, path in enumerate(todo, start=1):
        labels = teachers(np.ascontiguousarray(cv2.imread(str(path))[..., ::-1]))
        left_out += labels is None
        with (folder / "part").open("wb") as file:
            np.savez_compressed(file, **(labels._asdict() if labels else {}))
        (folder / "part").rename(folder / f"{path.stem}.npz")
        if number % 100 == 0 or number == len(todo):
            print(f"{number} of {len(todo)} labelled, {left_out} left out", flush=True)


if __name__ == "__main__":
    main()
