"""What the models say: answers to a few prompts, at temperature 0 and 0.8."""

PROMPTS = (
    "Explain why leaves change color in autumn, focusing on chlorophyll breakdown and environmental triggers.",
    "What are the symptoms of diabetes?",
    "How do stars form?",
    "What causes earthquakes?",
)
TEMPERATURES = (0, 0.8)
ANSWER_TOKENS = 96


def answers(daemon, model):
    return [{"prompt": prompt, "temperature": temperature,
             "text": daemon.call("generate", {"model": model, "prompt": prompt, "temperature": temperature,
                                              "max_tokens": ANSWER_TOKENS, "stream": False})["text"]}
            for prompt in PROMPTS for temperature in TEMPERATURES]


def print_samples(results):
    """results: {model: answers()}"""
    for name, samples in results.items():
        print(f"\n| prompt | temperature | what {name} says |\n|---|---|---|")
        for sample in samples:
            text = sample["text"].strip().replace("\n", " ").replace("|", "\\|")
            print(f"| {sample['prompt']} | {sample['temperature']} | {text} |")
