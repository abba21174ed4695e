import torch
import torch.nn as nn


class SaliencyPartSampler(nn.Module):
    """Picks K salient peaks and pools an r x r window around each one."""

    def __init__(self, K: int = 4, r: int = 5, suppress: float = 0.1) -> None:
        super().__init__()
        self.K = K
        self.r = r
        self.suppress = suppress
        self.spatial_conv = nn.Conv2d(1, 1, kernel_size=1, bias=False)
        nn.init.constant_(self.spatial_conv.weight, 1.0)

    def saliency(self, feat: torch.Tensor) -> torch.Tensor:
        B, C, H, W = feat.shape
        ch_att = torch.softmax(feat.mean(dim=(2, 3)), dim=1)
        sp = self.spatial_conv(feat.mean(dim=1, keepdim=True))
        sp_att = torch.softmax(sp.reshape(B, H * W), dim=1).reshape(B, H, W)
        return (ch_att.reshape(B, C, 1, 1) * feat).sum(dim=1) * sp_att

    def find_peaks(self, M: torch.Tensor) -> torch.Tensor:
        B, H, W = M.shape
        rad_h = int(self.suppress * H)
        rad_w = int(self.suppress * W)
        all_peaks = []
        for b in range(B):
            m = M[b].detach().cpu().clone()
            peaks_b = []
            for _ in range(self.K):
                idx = int(torch.argmax(m.reshape(-1)).item())
                y, x = idx // W, idx % W
                peaks_b.append([y, x])
                # kill the neighbourhood so that the next peak is somewhere else
                m[max(0, y - rad_h) : y + rad_h + 1, max(0, x - rad_w) : x + rad_w + 1] = float("-inf")
            all_peaks.append(peaks_b)
        return torch.tensor(all_peaks, dtype=torch.long, device=M.device)

    @staticmethod
    def crop_mean(fmap: torch.Tensor, y: int, x: int, r: int) -> torch.Tensor:
        # fmap: C x H x W
        _, H, W = fmap.shape
        y0, x0 = y - r // 2, x - r // 2
        win = fmap[:, max(0, y0) : min(H, y0 + r), max(0, x0) : min(W, x0 + r)]
        return win.clone().mean(dim=(1, 2))

    def forward(self, feat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        M = self.saliency(feat)
        peaks = self.find_peaks(M)
        out = []
        for b in range(feat.shape[0]):
            parts_b = []
            for k in range(self.K):
                y, x = peaks[b, k].tolist()
                parts_b.append(self.crop_mean(feat[b], y, x, self.r))
            out.append(torch.stack(parts_b, dim=0))
        return torch.stack(out, dim=0), peaks, M
