"""RetinaFace weights drawn at random, in the form of the public files: for tests that must not need those."""

from pathlib import Path


def write_random_weights(backbone: str, path: Path, seed: int = 0) -> Path:
    """Save a `.pth` file whose network answers to what it is shown, with places and scores of ordinary size.

    Weights as torch draws them, with normalisations that never saw an input, give nearly the same output everywhere.
    """
    import torch
    from t2f_retinaface._network import RetinaFaceNet

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        network = RetinaFaceNet(backbone)
        for part in network.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = 1.0  # the statistics of what it is shown next
            if hasattr(part, "bn3"):
                part.bn3.weight.fill_(0.25)  # deep random networks blow up last bits; trained ones do not
        blurs = [torch.rand(2, 3, coarse, coarse).round() for coarse in (2, 5, 13, 60)]
        soft = [torch.nn.functional.interpolate(one, (192, 192), mode="bilinear") for one in blurs]
        network.train()(255 * torch.cat(soft) - 114.7)
        for heads in (network.BboxHead, network.ClassHead, network.LandmarkHead):
            for head in heads:
                torch.nn.init.normal_(head.conv1x1.weight, std=0.6 * head.conv1x1.in_channels**-0.5)
    torch.save({f"module.{name}": tensor for name, tensor in network.state_dict().items()}, path)
    return path
