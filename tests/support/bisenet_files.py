"""A BiSeNet file drawn at random, in the form of the public one: for tests that must not need that one."""

from pathlib import Path


def write_random_weights(path: Path, seed: int = 0) -> Path:
    """Save a file whose network answers to what it is shown, with every class somewhere.

    Weights as torch draws them, with normalisations that never saw an input, give one class everywhere.
    """
    import torch
    from facexlib.parsing.bisenet import BiSeNet

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        network = BiSeNet(19)
        for part in network.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = 1.0  # the statistics of what it is shown next
        blurs = [torch.rand(2, 3, coarse, coarse) for coarse in (3, 9, 30, 100)]
        shown = 4 * torch.cat([torch.nn.functional.interpolate(one, (256, 256), mode="bilinear") for one in blurs]) - 2
        network.train()(shown)
        for head in (network.conv_out, network.conv_out16, network.conv_out32):
            torch.nn.init.normal_(head.conv_out.weight, std=0.1)
            head.conv_out.weight -= head.conv_out.weight.mean(dim=1, keepdim=True)  # no class is ahead everywhere
    torch.save(network.state_dict(), path)
    return path
