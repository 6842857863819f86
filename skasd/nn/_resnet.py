"""ResNet-18."""

from torch import nn


class ResNet18(nn.Module):
    """Residual network of 18 layers, without its classifier.

    Parameters
    ----------
    in_channels : int, default=1
        Channels of the input.
    embedding_dim : int, default=512
        Length of the embedding. ``8 * width``: the mean over the last feature map; any other: a dense layer
        ``fc`` on that mean.
    width : int, default=64
        Channels of the first stage, doubled in each of the three others.

    Attributes
    ----------
    embedding_dim : int
        Length of the embedding.

    See Also
    --------
    OEVAE : Uses it as the feature extractor.

    Notes
    -----
    Table 1 of [1]_, with batch normalisation and projection shortcuts. Parameters are named as in
    torchvision, so that its state dicts load (with ``strict=False``: there is no 1000-class ``fc``, and the
    first convolution has `in_channels` instead of 3). Any input from 1 x 1 upwards will do.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren, J. Sun. Deep residual learning for image recognition. CVPR 2016, 770-778.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import ResNet18
    >>> ResNet18()(torch.randn(2, 1, 224, 126)).shape
    torch.Size([2, 512])
    """

    def __init__(self, in_channels=1, embedding_dim=512, width=64):
        super().__init__()
        self.embedding_dim = embedding_dim
        self.conv1 = nn.Conv2d(in_channels, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        n = [width, 2 * width, 4 * width, 8 * width]
        self.layer1 = nn.Sequential(_BasicBlock(n[0], n[0]), _BasicBlock(n[0], n[0]))
        self.layer2 = nn.Sequential(_BasicBlock(n[0], n[1], 2), _BasicBlock(n[1], n[1]))
        self.layer3 = nn.Sequential(_BasicBlock(n[1], n[2], 2), _BasicBlock(n[2], n[2]))
        self.layer4 = nn.Sequential(_BasicBlock(n[2], n[3], 2), _BasicBlock(n[3], n[3]))
        self.fc = nn.Identity() if embedding_dim == n[3] else nn.Linear(n[3], embedding_dim)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        """Embed inputs of shape (N, in_channels, n_bins, n_frames) as (N, embedding_dim)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class _BasicBlock(nn.Module):
    def __init__(self, n_in, n_out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample = (
            nn.Identity()
            if n_in == n_out and stride == 1
            else nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))
        )

    def forward(self, x):
        residual = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(self.downsample(x) + residual)
