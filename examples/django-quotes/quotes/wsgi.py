"""What gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from quotes import telemetry

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quotes.settings")
telemetry.start()  # before Django is set up: it adds a middleware of its own
application = get_wsgi_application()
