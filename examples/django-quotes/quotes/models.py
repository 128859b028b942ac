"""Quotations and who said them."""

from django.db import models


class Author(models.Model):
    """Somebody who said something."""

    name = models.CharField(max_length=100, unique=True)


class Quote(models.Model):
    """What somebody said."""

    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    text = models.TextField(unique=True)
