"""The gate that all requests to one model of one account pass, whichever thread or event loop they come from."""

from __future__ import annotations

import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from optiflow.limits.allowance import Allowance
from optiflow.limits.answers import Refusal, read_quotas, used_tokens
from optiflow.limits.hedging import Hedging
from optiflow.limits.model_request import ModelRequest
from optiflow.limits.settings import LimitSettings
from optiflow.limits.ticket import Ticket
from optiflow.limits.window import RefusedRequest, Window

__all__ = ["Gate"]

HEARTBEAT_S = 1.0
"""The first in the queue looks at least this often, and the others in ten times that: nothing is waited for forever."""

STREAM_PATIENCE_S = 2.0
"""Where all that are in flight are answers being read, the first in the queue waits no longer: who reads one may
be waiting for the request before going on."""

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 30.0

MOST_REFUSALS = 10
"""A request that was refused so often while others were taken is refused for itself."""

USUAL_ANSWER_S = 1.0
"""How long an answer takes, until one has come."""


class Gate:
    """Lets requests through as the provider takes them, in order.

    Args:
        settings: What it holds to.
        now: Tells the time, s; it never goes back.
    """

    def __init__(self, settings: LimitSettings, now: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._now = now
        self._lock = threading.Lock()
        self._queue: deque[Ticket] = deque()
        self._in_flight: set[Ticket] = set()
        self._leaving: deque[Ticket] = deque()
        self._window = Window(settings.initial_concurrency, settings.max_concurrency)
        patience_s = settings.max_wait_s
        self._allowance = Allowance(settings.requests_per_minute, settings.tokens_per_minute, patience_s, now())
        self._hedging = Hedging(settings.hedge_budget)
        self._paused_until = 0.0
        self._backoff_s = FIRST_BACKOFF_S
        self._refusing_since: float | None = None
        self._last_refusal = 0.0
        self._newest = 0
        self._newest_taken = 0
        self._ended = 0
        self._answer_s = USUAL_ANSWER_S

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is in flight."""
        with self._locked():
            return not self._queue and not self._in_flight

    def enter(self, ticket: Ticket) -> None:
        """Queue up."""
        with self._locked():
            if self._refusing_since is not None and self._now() > self._last_refusal + self._settings.max_wait_s:
                # Nobody has asked for long: whether the provider still refuses everything is not known.
                self._refusing_since = None
                self._backoff_s = FIRST_BACKOFF_S
            self._enqueue(ticket)

    def admit(self, ticket: Ticket) -> float | None:
        """Let the ticket through if it is its turn.

        Returns:
            None: it is in flight now. Else wait for the bell, at most so many seconds, and ask again.
        """
        with self._locked():
            ticket.bell.clear()
            if ticket.withdrawn:
                return 0.0
            if ticket is not self._queue[0]:
                return 10 * HEARTBEAT_S
            now = self._now()
            delay = self._delay_s(ticket, now)
            if delay > 0:
                return min(delay, HEARTBEAT_S)
            self._queue.popleft()
            self._send(ticket, now)
            self._wake_first()
            return None

    def leave(self, ticket: Ticket) -> None:
        """Be gone, from wherever the ticket is; once is enough.

        It never waits for the lock: a garbage collection may end a request while its own thread holds it.
        """
        self._leaving.append(ticket)
        self._let_leave()

    def withdraw(self, hedge: Ticket) -> bool:
        """Have a hedge never be sent that was not sent yet; its budget is given back.

        Returns:
            Whether it was in time.
        """
        with self._locked():
            if hedge.number:
                return False
            hedge.withdrawn = True
            self._hedging.refund()
            self._remove(hedge)
            self._wake_first()
            hedge.bell.ring()
            return True

    def answered(self, ticket: Ticket, response: Any, *, read: bool) -> None:
        """Learn from a response that is no refusal.

        Args:
            ticket: Whose it is.
            response: The response.
            read: Whether its body has been read.
        """
        tokens = used_tokens(response) if read and self._allowance.counts_tokens else 0
        with self._locked():
            now = self._now()
            self._allowance.told(read_quotas(response.headers), ticket.spent, ticket.sent_at, now)
            if tokens:
                self._allowance.used(tokens, ticket.request.tokens, now)
            self._newest_taken = max(self._newest_taken, ticket.number)
            self._refusing_since = None
            self._backoff_s = FIRST_BACKOFF_S
            if response.is_success and read:
                self._answer_s += 0.2 * (now - ticket.sent_at - self._answer_s)
                if not ticket.hedge:
                    self._hedging.answered(now - ticket.sent_at)

    def refused(self, ticket: Ticket, refusal: Refusal, response: Any) -> bool:
        """Learn from a refusal.

        Args:
            ticket: Who was refused.
            refusal: What the provider said.
            response: Its response.

        Returns:
            Whether the ticket is in the queue again, before all others. False: whoever asked has to be told.
        """
        with self._locked():
            now = self._now()
            ticket.tally.count("refused")
            ticket.refusals += 1
            self._in_flight.discard(ticket)
            none_left = self._allowance.told(read_quotas(response.headers), ticket.spent, ticket.sent_at, now)
            worth_waiting = not refusal.lasting and self._holds_back(ticket, refusal, none_left=none_left, now=now)
            again = worth_waiting and not ticket.hedge
            if again:
                ticket.first = True
                self._enqueue(ticket)
            self._wake_first()
            return again

    def may_hedge(self, request: ModelRequest) -> bool:
        """Whether a request may be sent twice."""
        return self._settings.hedge and request.repeatable

    def hedge_in_s(self, ticket: Ticket) -> float:
        """Seconds after which to ask again whether a request in flight is slow; 0: it is, its double may be sent."""
        with self._locked():
            return self._hedging.due_in_s(self._now() - ticket.sent_at)

    def _enqueue(self, ticket: Ticket) -> None:
        ticket.waiting_since = self._now()
        ticket.tally.waits()
        if ticket.first:
            self._queue.appendleft(ticket)
        else:
            self._queue.append(ticket)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock:
            yield
        self._let_leave()

    def _let_leave(self) -> None:
        # Whoever holds the lock now does this when it has given it back.
        while self._leaving and self._lock.acquire(blocking=False):
            try:
                while self._leaving:
                    self._remove(self._leaving.popleft())
                self._wake_first()
            finally:
                self._lock.release()

    def _remove(self, ticket: Ticket) -> None:
        if ticket in self._in_flight:
            self._in_flight.remove(ticket)
            self._ended += 1
        elif ticket.waiting_since is not None:
            self._queue.remove(ticket)
            self._waited(ticket)

    def _waited(self, ticket: Ticket) -> None:
        assert ticket.waiting_since is not None
        ticket.tally.waited(self._now() - ticket.waiting_since)
        ticket.waiting_since = None

    def _send(self, ticket: Ticket, now: float) -> None:
        self._waited(ticket)
        self._in_flight.add(ticket)
        self._newest += 1
        ticket.number = self._newest
        ticket.sent_at = now
        ticket.level = len(self._in_flight)
        ticket.ended_before = self._ended
        ticket.spent = self._allowance.take(ticket.request.tokens, now)
        ticket.tally.sent(len(self._in_flight))

    def _wake_first(self) -> None:
        while self._queue and not self._queue[0].bell.ring():
            # Its event loop was closed without ending it: nobody will ever come for this place.
            self._waited(self._queue.popleft())

    def _delay_s(self, ticket: Ticket, now: float) -> float:
        tokens, in_flight = ticket.request.tokens, len(self._in_flight)
        own_s = self._allowance.own_wait_s(tokens, now)
        if self._is_hopeless(now):
            return max(own_s, math.inf if in_flight >= self._window.most else 0.0)
        room_s = self._window.room_in_s(in_flight, now)
        if room_s > 0 and all(each.held for each in self._in_flight):
            assert ticket.waiting_since is not None
            room_s = min(room_s, max(0.0, ticket.waiting_since + STREAM_PATIENCE_S - now))
        return max(own_s, room_s, self._paused_until - now, self._allowance.left_wait_s(tokens, now))

    def _is_hopeless(self, now: float) -> bool:
        """Whether the provider has refused everything for so long that it shall tell everybody so itself."""
        if self._refusing_since is None or now < self._refusing_since + self._settings.max_wait_s:
            return False
        # What has been in flight for a while was not refused.
        return all(now - each.sent_at < HEARTBEAT_S for each in self._in_flight)

    def _holds_back(self, ticket: Ticket, refusal: Refusal, *, none_left: bool, now: float) -> bool:
        """Hold back the requests as a refusal demands; whether the one that was refused may wait as long."""
        pause_s = self._pause_s(ticket, refusal, none_left=none_left, now=now)
        self._paused_until = max(self._paused_until, now + pause_s)
        self._last_refusal = now
        if self._refusing_since is None:
            self._refusing_since = now
        patience_s = self._refusing_since + self._settings.max_wait_s - now
        return ticket.refusals < MOST_REFUSALS and pause_s < patience_s

    def _pause_s(self, ticket: Ticket, refusal: Refusal, *, none_left: bool, now: float) -> float:
        """How long nothing may be sent: 0 where it is the number in flight that is refused, and some will end."""
        after_s = refusal.retry_after_s
        if none_left and after_s is not None:
            return after_s
        settled = [each.number for each in self._in_flight if self._window.has_taken(now - each.sent_at)]
        refused = RefusedRequest(
            number=ticket.number,
            newest=self._newest,
            level=ticket.level,
            taken=len(self._in_flight) + self._ended - ticket.ended_before,
            newest_taken=max([self._newest_taken, *settled]),
            after_s=now - ticket.sent_at,
            answer_s=self._answer_s,
        )
        if not self._window.refused(refused, now) and self._in_flight:
            return 0.0
        if after_s is not None:
            return after_s
        pause_s = self._backoff_s * random.uniform(0.5, 1.0)
        self._backoff_s = min(2 * self._backoff_s, LONGEST_BACKOFF_S)
        return pause_s
