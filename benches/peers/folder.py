"""Explains a folder with pytorch-grad-cam and a DataLoader, as their documentations show it.

    python benches/peers/folder.py IMAGES OUT --model resnet18 --weights FILE

For each image the overlay of the top class as PNG, and a line of JSON with the five best classes.
Run by throughput.py.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import show_cam_on_image
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class Folder(Dataset):
    def __init__(self, folder):
        self.paths = sorted(Path(folder).glob("*.jpg"))
        self.crop = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
        self.normal = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, place):
        image = self.crop(Image.open(self.paths[place]).convert("RGB"))
        return self.normal(image), np.float32(image) / 255, self.paths[place].name


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("images")
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.device == "cpu":
        torch.set_num_threads(2)
    model = getattr(torchvision.models, arguments.model)(weights=None)
    model.load_state_dict(load_file(arguments.weights))
    model.eval().to(arguments.device)
    loader = DataLoader(
        Folder(arguments.images), batch_size=arguments.batch, num_workers=arguments.workers,
        pin_memory=arguments.device != "cpu",
    )
    with GradCAM(model=model, target_layers=[model.layer4[-1]]) as cam, \
            open(arguments.out / "explanations.jsonl", "w") as table:
        for tensors, pictures, names in loader:
            maps = cam(input_tensor=tensors.to(arguments.device), targets=None)
            best = torch.softmax(cam.outputs, dim=1).topk(5)
            for place, name in enumerate(names):
                overlay = show_cam_on_image(pictures[place].numpy(), maps[place], use_rgb=True)
                cv2.imwrite(str(arguments.out / f"{name}.overlay.png"), overlay[:, :, ::-1])
                row = {"image": name, "classes": best.indices[place].tolist(),
                       "probabilities": best.values[place].tolist()}
                table.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
