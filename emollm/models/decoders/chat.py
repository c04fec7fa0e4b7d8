"""Chat layouts: one template for all families, which differ only in the tokens around a turn.

A clip with sound and picture is written as one marker, `<|clip|>`; sound alone and picture alone have their own. The
marker stands on a line of its own before the text, wherever the blocks stood in the message, so that training and
serving see one string and several questions about one clip share their beginning. Departs from the families' own templates:
there is no default system message.
"""

from __future__ import annotations

_TEMPLATE = """\
{%- macro body(content) -%}
{%- if content is string -%}
{{- content -}}
{%- else -%}
{%- set kinds = content | map(attribute='type') | list -%}
{%- if 'audio' in kinds and 'video' in kinds -%}
{{- '<|clip|>\\n' -}}
{%- elif 'audio' in kinds -%}
{{- '<|audio|>\\n' -}}
{%- elif 'video' in kinds -%}
{{- '<|video|>\\n' -}}
{%- endif -%}
{{- content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join('\\n') -}}
{%- endif -%}
{%- endmacro -%}
{{- begin -}}
{%- for message in messages -%}
{{- head + message['role'] + neck -}}
{%- if message['role'] == 'assistant' -%}
{%- generation -%}
{{- body(message['content']) + end -}}
{%- endgeneration -%}
{{- tail -}}
{%- else -%}
{{- body(message['content']) + end + tail -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- head + 'assistant' + neck -}}
{%- endif -%}
"""


def chat_template(head: str, neck: str, end: str, tail: str = "", begin: str = "") -> str:
    """Return the Jinja template in which a turn reads `head` role `neck` text `end` `tail`.

    Args:
        head: Opens a turn.
        neck: Stands between the role and the text.
        end: Ends a turn; the model writes it.
        tail: Stands between two turns.
        begin: Stands once before all turns.
    """
    pieces = {"begin": begin, "head": head, "neck": neck, "end": end, "tail": tail}
    return "".join(f"{{%- set {name} = {piece!r} -%}}\n" for name, piece in pieces.items()) + _TEMPLATE
