"""z/VM as a library: three parts, each useful on its own.

``smapi``       a client: ``Client(Server("zvm.example.com"), "GOLDADM", password).image_query_dm("LINUX01")``
``directory``   user directories: ``Directory.parse(data)``, typed views, edits, ``check``, ``differences``
``simulator``   a z/VM that is not there: ``with Simulator(text) as sim: ... sim.host, sim.port``

On the command line they are ``goldroot zvm call``, ``directory`` and ``simulate``; docs/zvm has a page on each.
"""
