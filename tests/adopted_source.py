"""PaCo-2 in somebody's writing: two modules of a package, as text."""

__all__ = ["GEOMETRY", "PACO"]

# `PACKAGE` is the package that both are in.
GEOMETRY = '''
"""Symmetric positive definite matrices."""

import torch


class SPD:
    @staticmethod
    def covariance(Z, epsilon=1e-3):
        centred = Z - Z.mean(dim=1, keepdim=True)
        identity = torch.eye(Z.shape[-1], dtype=Z.dtype)
        return centred.transpose(1, 2) @ centred / max(1, Z.shape[1] - 1) + epsilon * identity

    @staticmethod
    def distance(Sigma1, Sigma2):
        return (Sigma1 - Sigma2).pow(2).sum(dim=(1, 2))
'''

PACO = '''
"""The model and its criterion."""

import torch
from torch import nn
from torch.nn import functional

from PACKAGE.geometry import SPD


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 4, 4)
        self.norm = nn.BatchNorm2d(6)

    def forward_features(self, x):
        return self.norm(self.stem(x)).relu()

    def forward(self, x):
        return self.forward_features(x).mean(dim=(2, 3))


class Parts:
    """Features of parts and their peaks: an object like any other."""

    def __init__(self, features, peaks):
        self.features = features
        self.peaks = peaks


class PartSampler(nn.Module):
    def __init__(self, num):
        super().__init__()
        self.num = num
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, F):
        saliency = (F * self.weight).sum(dim=1).flatten(1)
        with torch.no_grad():
            peaks = saliency.topk(self.num, dim=1).indices
        flat = (F * saliency.softmax(dim=1).view(len(F), 1, *F.shape[2:])).flatten(2)
        return Parts(flat.gather(2, peaks.unsqueeze(1).expand(-1, F.shape[1], -1)).transpose(1, 2), peaks)


class Matcher:
    """A plain object, called as a function."""

    def __call__(self, Z1, Z2):
        return self.solve(torch.cdist(Z1, Z2))

    @torch.no_grad()
    def solve(self, cost):
        return cost.argmin(dim=2)


class CELoss(nn.Module):
    def forward(self, logits, targets):
        return functional.cross_entropy(logits, targets)


class PaCLoss(nn.Module):
    def forward(self, Z1, Z2, matching, pool):
        positives = Z2.gather(1, matching.unsqueeze(2).expand_as(Z2))
        distances = torch.cdist(Z1.flatten(0, 1), pool).amin(dim=1)
        return (0.2 + (Z1 - positives).norm(dim=2).flatten() - distances).relu().mean()


class PaCoLoss(nn.Module):
    def __init__(self):
        super().__init__()
        self.ce_loss = CELoss()
        self.pac_loss = PaCLoss()

    def soc_loss(self, Sigma1, Sigma2, Sigma_proto):
        return (SPD.distance(Sigma1, Sigma2) + 0.05 * SPD.distance(Sigma1, Sigma_proto)).mean()

    def weigh(self, ce, pac, soc):
        return ce + pac + 0.1 * soc

    def forward(self, logits, targets, Z1t, Z2t, matching, negatives_pool, Sigma1, Sigma2, Sigma_plus, Sigma_proto):
        ce = self.ce_loss(logits, targets)
        pac = self.pac_loss(Z1t, Z2t, matching, negatives_pool)
        soc = self.soc_loss(Sigma1, Sigma2, Sigma_proto)
        return {"total": self.weigh(ce, pac, soc), "ce": ce, "pac": pac, "soc": soc}


def joint_covariance(Sigma1, Sigma2):
    return (Sigma1 + Sigma2) / 2


class PaCoModel(nn.Module):
    def __init__(self, num_classes=5, num_parts=3, dim=4):
        super().__init__()
        self.epsilon = 1e-3
        self.layers = nn.ModuleList()
        self.backbone = Backbone()
        self.part_sampler = PartSampler(num_parts)
        self.dim_reduction = nn.Linear(6, dim, bias=False)
        self.classifier = nn.Linear(6, num_classes)
        self.matcher = Matcher()
        self.criterion = PaCoLoss()
        self.register_buffer("prototypes", torch.eye(dim).repeat(num_classes, 1, 1))

    def _reduce_dimensions(self, parts):
        return self.dim_reduction(parts)

    @staticmethod
    def _create_negatives_pool(Z1, Z2):
        return torch.cat([Z1, Z2]).flatten(0, 1).roll(1, dims=0)

    def _get_class_prototypes(self, targets):
        return self.prototypes[targets]

    @torch.no_grad()
    def _update_class_prototypes(self, targets, Sigma1):
        self.prototypes[targets] = 0.9 * self.prototypes[targets] + 0.1 * Sigma1

    def forward(self, x1, x2=None, targets=None):
        if x2 is None:
            return self.classifier(self.backbone(x1))
        F1, F2 = self.backbone.forward_features(x1), self.backbone.forward_features(x2)
        logits = self.classifier((F1.mean(dim=(2, 3)) + F2.mean(dim=(2, 3))) / 2)
        parts1, parts2 = self.part_sampler(F1), self.part_sampler(F2)
        Z1, Z2 = self._reduce_dimensions(parts1.features), self._reduce_dimensions(parts2.features)
        Sigma1, Sigma2 = SPD.covariance(Z1, self.epsilon), SPD.covariance(Z2, self.epsilon)
        losses = self.criterion(
            logits=logits,
            targets=targets,
            Z1t=Z1,
            Z2t=Z2,
            matching=self.matcher(Z1, Z2),
            negatives_pool=self._create_negatives_pool(Z1, Z2),
            Sigma1=Sigma1,
            Sigma2=Sigma2,
            Sigma_plus=joint_covariance(Sigma1, Sigma2),
            Sigma_proto=self._get_class_prototypes(targets),
        )
        self._update_class_prototypes(targets, Sigma1)
        return {"logits": logits, **losses}
'''
