"""Chat templates of known models, shortened where that changes nothing here."""

CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>"
    "system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""SmolLM2's: ChatML, with a system turn of its own where there is none."""

LLAMA3 = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{{ message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
"""Llama 3's: contents are trimmed, turns end without a line break."""

MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)
"""Mistral's and nearly Llama 2's: nothing is added to ask for a reply; a space before it."""

SPECIAL = {
    CHATML: ("<pad>", "<|im_end|>", "<|im_start|>"),
    LLAMA3: ("<pad>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<bos>"),
    MISTRAL: ("<pad>", "</s>", "[INST]", "[/INST]", "<bos>"),
}


def turns(*contents, system=None):
    """Return turns of user and assistant, by turns."""
    given = [{"role": "system", "content": system}] if system else []
    roles = ("user", "assistant")
    return given + [{"role": roles[i % 2], "content": content} for i, content in enumerate(contents)]
