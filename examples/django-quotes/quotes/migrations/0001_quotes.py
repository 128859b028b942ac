"""The tables, with some quotations in the public domain."""

import django.db.models.deletion
from django.db import migrations, models

QUOTES = {
    "Blaise Pascal": [
        "The heart has its reasons of which reason knows nothing.",
        "I have made this letter longer than usual because I have not had time to make it shorter.",
    ],
    "Voltaire": ["The best is the enemy of the good.", "We must cultivate our garden."],
    "Marcus Aurelius": [
        "The universe is change; our life is what our thoughts make it.",
        "If it is not right, do not do it; if it is not true, do not say it.",
    ],
    "Seneca": ["We suffer more often in imagination than in reality.", "It is not that we have a short time to live, but that we waste much of it."],
    "Isaac Newton": ["If I have seen further it is by standing on the shoulders of giants."],
    "Francis Bacon": ["Knowledge itself is power."],
    "William Shakespeare": ["Brevity is the soul of wit.", "Though this be madness, yet there is method in it."],
    "Ada Lovelace": ["The Analytical Engine weaves algebraical patterns just as the Jacquard loom weaves flowers and leaves."],
    "Epictetus": ["First say to yourself what you would be; and then do what you have to do."],
    "Heraclitus": ["Nobody steps twice into the same river."],
}


def fill(apps, schema_editor):
    """Keeps each quotation with forty notes on it, so that looking at them one by one takes a while."""
    author, quote = apps.get_model("quotes", "Author"), apps.get_model("quotes", "Quote")
    for name, texts in QUOTES.items():
        person = author.objects.create(name=name)
        for text in texts:
            quote.objects.create(author=person, text=text)
            quote.objects.bulk_create(quote(author=person, text=f"{text} (edition {n})") for n in range(2, 42))


class Migration(migrations.Migration):
    """The first one."""

    initial = True
    operations = [
        migrations.CreateModel(
            "Author",
            [("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")), ("name", models.CharField(max_length=100, unique=True))],
        ),
        migrations.CreateModel(
            "Quote",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.TextField(unique=True)),
                ("author", models.ForeignKey("quotes.Author", on_delete=django.db.models.deletion.CASCADE)),
            ],
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
