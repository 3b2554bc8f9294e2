"""Exports of FiftyOne, for the reader of ground truth.

    python tests/golden/truth.py

FiftyOne needs a database for a data set, and none for its samples, labels and exporters; so these are
handed to each other here as `Dataset.export` does it. Made with fiftyone 1.22.1.
"""

import os
import tempfile

import fiftyone as fo
import fiftyone.core.odm as foo
import fiftyone.utils.data as foud
import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "truth")
NAMES = ["a.jpg", "b.v2.png", "c.png"]


def detections(*objects):
    return fo.Detections(
        detections=[fo.Detection(label=label, bounding_box=box) for label, box in objects]
    )


CLASSIFIED = [
    fo.Classification(label="wren", confidence=0.75),
    fo.Classifications(
        classifications=[fo.Classification(label="tiger cat"), fo.Classification(label="wren")]
    ),
    None,
]
DETECTED = [
    detections(("wren", [0.25, 0.5, 0.5, 0.25]), ("tiger cat", [-0.125, 0, 0.5, 1])),
    detections(("tiger cat", [0.1, 0.2, 0.3, 0.4])),
    detections(),
]


def samples(name, **fields):
    """`samples.json` of a FiftyOneDataset whose images are copied beside it."""
    documents = []
    for number, file in enumerate(NAMES):
        values = {field: labels[number] for field, labels in fields.items()}
        sample = fo.Sample(filepath=f"/photos/{file}", tags=["validation"], **values)
        document = sample.to_mongo_dict()
        document["filepath"] = os.path.join("data", file)
        document["_rand"] = 0.5
        for label in document.values():
            if isinstance(label, dict):
                without_ids(label)
        documents.append(document)
    foo.export_collection(documents, os.path.join(HERE, name), key="samples", progress=False)


def without_ids(label):
    """Ids are random; the same bytes are to be made again."""
    label.pop("_id", None)
    for value in label.values():
        for item in value if isinstance(value, list) else []:
            if isinstance(item, dict):
                without_ids(item)


def labels(name, exporter, values, **options):
    """`labels.json` of a FiftyOneImageClassificationDataset or FiftyOneImageDetectionDataset."""
    with tempfile.TemporaryDirectory() as folder:
        writer = exporter(
            export_dir=folder,
            labels_path=os.path.join(HERE, name),
            export_media=False,
            pretty_print=True,
            **options,
        )
        with writer:
            for file, value in zip(NAMES, values):
                writer.export_sample(os.path.join(folder, file), value)


classification = foud.FiftyOneImageClassificationDatasetExporter
detection = foud.FiftyOneImageDetectionDatasetExporter
classes = ["tiger cat", "wren"]
os.makedirs(HERE, exist_ok=True)
predictions = [fo.Classification(label="tiger cat")] * len(NAMES)
heatmaps = [fo.Heatmap(map=np.eye(4, dtype=np.float32))] * len(NAMES)
samples("samples.json", ground_truth=CLASSIFIED, predictions=predictions, gradcam=heatmaps)
samples("detected.json", objects=DETECTED)
labels("labels.json", classification, CLASSIFIED)
labels("numbered.json", classification, CLASSIFIED, classes=classes, include_confidence=True)
labels("boxes.json", detection, DETECTED, classes=classes)
