"""World models that LOGO is compared with, behind the same protocol and trainer."""
