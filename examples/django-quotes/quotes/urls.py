"""The pages of the application, its metrics, and its health."""

from django.urls import include, path
from health_check.views import HealthCheckView

from quotes import views

urlpatterns = [
    path("quotes/random", views.random_quote),
    path("quotes/<int:number>", views.one_quote),
    path("quotes/search", views.search),
    path("quotes/<int:number>/translation", views.translation),
    path("health", HealthCheckView.as_view(checks=["health_check.checks.Database"])),
    path("", include("django_prometheus.urls")),  # /metrics
]
