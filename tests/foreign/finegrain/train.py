import argparse
import time

import torch

from finegrain.build import build_model


def get_args() -> argparse.Namespace:
    p = argparse.ArgumentParser()
    p.add_argument("--arch", default="resnet50")
    p.add_argument("--classes", type=int, default=200)
    p.add_argument("--img", type=int, default=224)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--epochs", type=int, default=1)
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--clip", type=float, default=0.0)
    p.add_argument("--K", type=int, default=4)
    p.add_argument("--r", type=int, default=5)
    p.add_argument("--d", type=int, default=64)
    p.add_argument("--metric", default="fro", choices=["fro", "log-euclidean", "stein"])
    p.add_argument("--seed", type=int, default=0)
    return p.parse_args()


def fake_batch(args: argparse.Namespace, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # TODO real data loader
    img = torch.randn(args.batch, 3, args.img, args.img)
    x1 = img + 0.1 * torch.randn_like(img)
    x2 = torch.flip(img, dims=[3]) + 0.1 * torch.randn_like(img)
    y = torch.randint(0, args.classes, (args.batch,))
    return x1.to(device), x2.to(device), y.to(device)


def main() -> None:
    args = get_args()
    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = build_model(args.arch, args.classes, K=args.K, r=args.r, d=args.d, metric=args.metric).to(device)
    opt = torch.optim.AdamW(model.parameters(), lr=args.lr)

    for epoch in range(args.epochs):
        model.train()
        model.set_epoch(epoch)
        running = 0.0
        t0 = time.time()
        for step in range(args.steps):
            x1, x2, y = fake_batch(args, device)
            res = model(x1, x2, y)
            opt.zero_grad()
            res["total"].backward()
            if args.clip > 0:
                torch.nn.utils.clip_grad_norm_(model.parameters(), args.clip)
            opt.step()
            running += res["total"].item()
            acc = (res["logits"].argmax(dim=1) == y).float().mean().item()
            print(f"epoch {epoch} [{step + 1}/{args.steps}] loss {running / (step + 1):.4f} acc {acc:.3f}")
        print(f"epoch {epoch} done, {time.time() - t0:.1f} s")

        model.eval()
        with torch.no_grad():
            x1, _, y = fake_batch(args, device)
            print(f"val acc {(model(x1).argmax(dim=1) == y).float().mean().item():.3f}")


if __name__ == "__main__":
    main()
