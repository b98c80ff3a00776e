"""Places where the nodes of a graph can hide what they share, and graphs made of them.

A *place* (modules ``places_*``) makes something that nodes share: how it is looked at, and what moves it, unless
looking does. A *reach* (``reaches_*``) is a way in which a node gets at it; a *change* (``changes_*``) is what moves
it: another node, a handler, a listener, a reducer, a saver, the consumer of the stream. ``generator.spec_of(number)``
puts them together, with innocent nodes that wait between them; *scenarios* (``scenarios_*``) are graphs of their own.
``playing.verdict`` runs a graph plainly and with toggles, and compares states, items of the stream, errors, what is
left behind, and what handlers hear.

To add a hiding place, write a small function with ``@place`` in one of those modules, or in a new one::

    @place
    def an_item_of_a_dict() -> Shared:
        BOX = {"n": 0}

        def move() -> None:
            BOX["n"] += 1

        return Shared(lambda held: BOX["n"], move)

What it gives has to be the same in every plain run. The functions have to be in a file: code without a source is never
started early, so it would hide nothing. One graph alone::

    python benchmarks/hiding_places.py --graphs 1 --seed NUMBER --controls 0
    python benchmarks/hiding_places.py --graphs 20 --place an_item_of_a_dict --controls 0
"""
