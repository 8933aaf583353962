"""x"""

from fastapi import FastAPI


def answer_failures(app: FastAPI) -> None:
    """x"""
