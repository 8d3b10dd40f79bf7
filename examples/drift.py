"""Have two weeks of sales moved apart, and where? On tables that DuckDB makes and never gives away.

Needs unikl[tables].
"""

import duckdb

from unikl.tables import drift

database = duckdb.connect()
weeks = [
    database.sql(
        f"""
        SELECT 'store ' || (hash(i) % 7 + (hash(i + 1) % {9 + week}) // 8) AS store,
               round(exp(2 * ((hash(i + 2) % 1000) / 1000)) * {1 + week / 20}, 2) AS amount,
               CASE WHEN hash(i + 3) % 50 > {week} THEN hash(i + 4) % 3 END AS rating
        FROM range({week} * 100000, {week} * 100000 + 100000) sales(i)
        """
    )
    for week in (0, 1)
]

found = drift(weeks[0], weeks[1], divergence="psi", bins={"rating": None})
print(found)
for column in found:
    low, high = column.interval or (column.value, column.value)
    moved = "has moved" if low > 0 else "has not moved, as far as these rows tell"
    print(f"{column.column} {moved}")
