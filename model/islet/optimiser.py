"""Two optimisers in one object: Muon for hidden matrices, AdamW for embeddings, gains and small tables.

Muon (Keller Jordan, 2024; github.com/KellerJordan/Muon): momentum, then the update is made orthogonal by five
Newton-Schulz steps. Matrices of one shape are handled as one stack, which is what makes it cheap on a CPU."""

from collections import defaultdict

import torch

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonal(stack, steps=5):
    """stack: N,rows,columns -> the nearest matrices with singular values about 1."""
    a, b, c = NEWTON_SCHULZ
    x = stack.bfloat16()
    x = x / (x.float().flatten(1).norm(dim=1)[:, None, None] + 1e-7).bfloat16()
    turned = x.shape[1] > x.shape[2]
    if turned:
        x = x.transpose(1, 2)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.transpose(1, 2) if turned else x).float()


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, rate, momentum=0.95, weight_decay=0.01):
        super().__init__(parameters, dict(lr=rate, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes[parameter.shape].append(parameter)
            for shape, parameters in shapes.items():
                updates = []
                for parameter in parameters:
                    state = self.state[parameter]
                    if "momentum" not in state:
                        state["momentum"] = torch.zeros_like(parameter)
                    state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                    updates.append(parameter.grad.lerp(state["momentum"], group["momentum"]))
                scale = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for parameter, update in zip(parameters, orthogonal(torch.stack(updates))):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update, alpha=-scale)


class Optimisers:
    """Steps both and scales both learning rates by one schedule."""

    def __init__(self, model, train):
        trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        matrices = [p for n, p in trained if p.dim() == 2 and "embedding" not in n and "positions" not in n]
        chosen = {id(p) for p in matrices}
        others = [p for _, p in trained if id(p) not in chosen]
        self.members = [
            Muon(matrices, train.matrix_rate),
            torch.optim.AdamW(others, train.rate, betas=(0.9, 0.95), weight_decay=0.0),
        ]
        self.rates = [train.matrix_rate, train.rate]

    def step(self, factor):
        for member, rate in zip(self.members, self.rates):
            for group in member.param_groups:
                group["lr"] = rate * factor
            member.step()
            member.zero_grad(set_to_none=True)

    def state_dict(self):
        return [member.state_dict() for member in self.members]

    def load_state_dict(self, states):
        for member, state in zip(self.members, states):
            member.load_state_dict(state)
