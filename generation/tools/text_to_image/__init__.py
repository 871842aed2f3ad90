"""Pictures from words."""

from __future__ import annotations

from billing.plans import PRICES
from generation.tools import Tool
from generation.tools.text_to_image.form import read
from generation.tools.text_to_image.spec import build_spec

NAME = "text_to_image"

TOOL = Tool(name=NAME, price=PRICES["picture"], read=read, build_spec=build_spec)
