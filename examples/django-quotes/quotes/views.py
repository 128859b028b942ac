"""The pages. Two of them have faults that one meets in practice: search asks the database far too often, and translation
fails for one language."""

import logging
import random

from django.http import Http404, HttpRequest, JsonResponse
from opentelemetry import trace

from quotes.models import Quote

log = logging.getLogger(__name__)
tracer = trace.get_tracer(__name__)

GREETINGS = {"en": "{author} said: {text}", "fr": "{author} a dit : {text}", "de": "{author} sagte: {text}"}


def random_quote(request: HttpRequest) -> JsonResponse:
    """One quotation by chance."""
    count = Quote.objects.count()
    return _answer(Quote.objects.select_related("author").order_by("id")[random.randrange(count)])


def one_quote(request: HttpRequest, number: int) -> JsonResponse:
    """The quotation of that number."""
    return _answer(_quote(number))


def search(request: HttpRequest) -> JsonResponse:
    """The quotations that contain a word. It asks for each quotation alone, and then for its author alone: one question would do."""
    word = request.GET.get("word", "").lower()
    found = []
    with tracer.start_as_current_span("look through all quotations") as span:
        ids = list(Quote.objects.values_list("id", flat=True))
        for number in ids:
            quote = Quote.objects.get(id=number)
            if word in quote.text.lower():
                found.append({"id": quote.id, "author": quote.author.name, "text": quote.text})
        span.set_attribute("quotes.examined", len(ids))
        span.set_attribute("quotes.found", len(found))
    log.info("searched for %r in %d quotations: %d found", word, len(ids), len(found))
    return JsonResponse({"quotes": found})


def translation(request: HttpRequest, number: int) -> JsonResponse:
    """The quotation in another language. It fails for a language that is not in the table."""
    language = request.GET.get("language", "en")
    quote = _quote(number)
    trace.get_current_span().set_attribute("quotes.language", language)
    try:
        sentence = GREETINGS[language].format(author=quote.author.name, text=quote.text)
    except KeyError:
        log.exception("quotation %d cannot be translated into %r", number, language)
        raise
    return JsonResponse({"language": language, "text": sentence})


def _quote(number: int) -> Quote:
    try:
        return Quote.objects.select_related("author").get(id=number)
    except Quote.DoesNotExist:
        log.warning("somebody asked for quotation %d, which does not exist", number)
        raise Http404(f"there is no quotation {number}") from None


def _answer(quote: Quote) -> JsonResponse:
    return JsonResponse({"id": quote.id, "author": quote.author.name, "text": quote.text})
