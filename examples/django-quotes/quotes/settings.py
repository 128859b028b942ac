"""Settings of a development server on this machine: not for use elsewhere."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = "only for the demonstration on this machine"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "quotes.urls"
WSGI_APPLICATION = "quotes.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

INSTALLED_APPS = ["django_prometheus", "health_check", "quotes"]

# The first and the last count and time every request: with /metrics in urls.py, that is all that metrics take.
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

DATABASES = {
    "default": {
        "ENGINE": "django_prometheus.db.backends.sqlite3",
        "NAME": os.environ.get("QUOTES_DATABASE", BASE_DIR / "quotes.sqlite3"),
    }
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "hulotte": {"class": "opentelemetry.instrumentation.logging.handler.LoggingHandler"},
        "console": {"class": "logging.StreamHandler"},
    },
    "root": {"level": "INFO", "handlers": ["hulotte", "console"]},
}
