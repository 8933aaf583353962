"""The page itself and the files it is made of."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
