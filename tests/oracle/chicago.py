"""Counts what the Chicago city folder must land, quarantine and map, from the raw files alone.

Independent on purpose: it reads no contract and no query, imports and runs nothing of the program. Each rule is
written a second time here, beside the number that rests on it. Prints one JSON document.

    python chicago.py FOLDER_OF_THE_CSV_FILES [--cells]      --cells adds every cell and area, not only the sums
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path

import h3
import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer

RESOLUTION = 8
# The direction text: two ways with a number each, or one way named after the stroke.
DIRECTIONS = re.compile(
    r"(North|South|East|West) Bound: (\d+)"
    r"(?: / (North|South|East|West) Bound: (\d+)| ?/ (?:/ )?Oneway (North|South|East|West) Bound) *"
)


def read(folder, name):
    """Everything as text: an empty field is missing, nothing else is (no `NA`, no numbers guessed)."""
    return pd.read_csv(folder / name, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8")


def number(column):
    return pd.to_numeric(column, errors="raise")


class Boundaries:
    def __init__(self, path):
        features = json.loads(path.read_text())["features"]
        self.codes = np.array([f["properties"]["AREA_NUMBE"] for f in features])
        self.tree = shapely.STRtree([shapely.geometry.shape(f["geometry"]) for f in features])

    def of(self, lng, lat):
        """The community area of each point. A point that touches two would need the rule of the owner of an edge;
        the assertion says that this data has none, so the numbers do not rest on that rule."""
        found = pd.Series([None] * len(lng), index=lng.index, dtype=object)
        points, areas = self.tree.query(shapely.points(lng.to_numpy(), lat.to_numpy()), predicate="intersects")
        assert len(points) == len(set(points)), "a point lies on a border"
        found.iloc[points] = self.codes[areas]
        return found


def judged(rows, rules):
    """Rows that break no rule, and how many break each. `rules`: name -> mask of the rows that break it."""
    broken = pd.DataFrame(rules, index=rows.index).fillna(False).astype(bool)
    codes = {name: int(broken[name].sum()) for name in broken if broken[name].any()}
    bad = broken.any(axis=1)
    sets = Counter(" ".join(n for n in broken if r[n]) for _, r in broken[bad].iterrows())
    said = {"rows": len(rows), "landed": int((~bad).sum()), "quarantined": int(bad.sum()), "rows_with_code": codes, "code_sets": dict(sets)}
    return rows[~bad].copy(), said


def placed(rows, lng, lat, boundaries):
    rows["cell"] = [h3.latlng_to_cell(y, x, RESOLUTION) for x, y in zip(lng, lat, strict=True)]
    rows["area"] = boundaries.of(lng, lat)
    return rows


def grouped(rows, by, values=None):
    # A row in no area is kept (`outside: keep`) and counted apart, never in an area.
    series = rows.groupby(by).size() if values is None else rows[values].groupby(rows[by]).sum()
    return {str(k): int(v) for k, v in series.items()}


def summed(rows, said, values=None):
    cells, areas = grouped(rows, "cell", values), grouped(rows, "area", values)
    said |= {"cells": len(cells), "areas": len(areas), "in_no_area": int(rows["area"].isna().sum())}
    top = lambda d: [list(kv) for kv in sorted(d.items(), key=lambda kv: (-kv[1], kv[0]))[:3]]
    return said | {"top_cells": top(cells), "top_areas": top(areas), "by_cell": cells, "by_area": areas}


def burglary(folder, boundaries):
    rows = read(folder, "public_safety_burglary.csv")
    rows, said = judged(rows, {
        # Two letters and six digits; two real rows have something else.
        "PATTERN(case_number)": ~rows["Case_Number"].str.fullmatch(r"[A-Z]{2}[0-9]{6}"),
        "KEY_DUPLICATE": rows["ID"].duplicated(),
        "NOT_UNIQUE(case_number)": rows["Case_Number"].duplicated(),
        "NULL_REQUIRED(latitude)": rows["Latitude"].isna(),
    })
    rows = placed(rows, number(rows["Longitude"]), number(rows["Latitude"]), boundaries)
    said["area_agrees_with_police"] = int((rows["area"] == rows["Community_Area"]).sum())
    said["arrests"] = int((rows["Arrest"] == "True").sum())
    return rows, summed(rows, said)


def sanitation(folder, boundaries):
    rows = read(folder, "city_services_311_sanitation.csv")
    # The place is taken from the State Plane feet, not from the degrees beside them: the file's own degrees check it.
    feet = Transformer.from_crs(3435, 4269, always_xy=True)
    lng, lat = feet.transform(number(rows["X_Coordinate"]).to_numpy(), number(rows["Y_Coordinate"]).to_numpy())
    lng, lat = (pd.Series(v, index=rows.index).where(rows["X_Coordinate"].notna()) for v in (lng, lat))
    area = pd.Series([None] * len(rows), index=rows.index, dtype=object)
    known = lng.notna()
    area[known] = boundaries.of(lng[known], lat[known])
    kept, said = judged(rows, {
        "NULL_REQUIRED(x_coordinate)": rows["X_Coordinate"].isna(),
        "NULL_REQUIRED(y_coordinate)": rows["Y_Coordinate"].isna(),
        "OUT_OF_RANGE(police_district)": number(rows["Police_District"]) < 1,
        # The first row of a repeated key wins, whatever becomes of that first row.
        "KEY_DUPLICATE": rows["Service_Request_Number"].duplicated(),
        # `outside: quarantine`; a point that is missing is not outside.
        "OUTSIDE_CITY": known & area.isna(),
    })
    # How much rests on "whatever becomes of that first row": repeats of a number whose first row was rejected.
    rejected = set(rows["Service_Request_Number"]) - set(kept["Service_Request_Number"])
    repeats = rows[rows["Service_Request_Number"].duplicated()]
    said["repeats_of_a_rejected_first"] = int(repeats["Service_Request_Number"].isin(rejected).sum())
    said["worst_degrees_off"] = float(max((lng - number(rows["Longitude"])).abs().max(), (lat - number(rows["Latitude"])).abs().max()))
    kept = placed(kept, lng[kept.index], lat[kept.index], boundaries)
    said["open"] = int(kept["Status"].str.startswith("Open").sum())
    return kept, summed(kept, said)


def inspections(folder, boundaries):
    rows = read(folder, "environment_health_food_inspections.csv")
    rows, said = judged(rows, {
        "KEY_DUPLICATE": rows["Inspection_ID"].duplicated(),
        "NOT_IN_SET(city)": rows["City"].notna() & ~rows["City"].isin(["CHICAGO", "Chicago", "chicago"]),
        "NULL_REQUIRED(latitude)": rows["Latitude"].isna(),
    })
    # Trailing blanks are no error: the text lands as it is.
    said["addresses_with_trailing_blank"] = int(rows["Address"].str.endswith(" ").sum())
    said["failed"] = int((rows["Results"] == "Fail").sum())
    rows = placed(rows, number(rows["Longitude"]), number(rows["Latitude"]), boundaries)
    return rows, summed(rows, said)


def trains(folder, boundaries):
    rows = read(folder, "transit_cta_l_daily.csv")
    naive = int(number(rows["rides"]).sum())
    # The first row of a station and day wins; for station 40280 that is the one with the right coordinates.
    rows, said = judged(rows, {"KEY_DUPLICATE": rows.duplicated(["station_id", "date"])})
    rows["rides"] = number(rows["rides"])
    said |= {"rides": int(rows["rides"].sum()), "rides_counted_twice_without_keys": naive - int(rows["rides"].sum())}
    said |= {"stations": int(rows["station_id"].nunique()), "rows_without_rides": int((rows["rides"] == 0).sum())}
    rows = placed(rows, number(rows["long"]), number(rows["lat"]), boundaries)
    said["by_station"] = grouped(rows, "station_id", "rides")
    # Sums of rides, not counts of rows.
    return rows, summed(rows, said, "rides")


def traffic(folder, boundaries):
    rows = read(folder, "traffic_adt_2006.csv")
    text = rows["Vehicle Volume By Each Direction of Traffic"]
    rows, said = judged(rows, {
        "KEY_DUPLICATE": rows["ID "].duplicated(),
        "PATTERN(directions)": ~text.map(lambda t: DIRECTIONS.fullmatch(t) is not None),
    })
    rows["vehicles"] = number(rows["Total_Passing_Vehicle_Volume"])
    parts = rows["Vehicle Volume By Each Direction of Traffic"].map(lambda t: DIRECTIONS.fullmatch(t).groups())
    for name, ways in (("north_south", {"North", "South"}), ("east_west", {"East", "West"})):
        rows[name] = parts.map(lambda p, w=ways: sum(int(n or 0) for d, n in ((p[0], p[1]), (p[2], p[3])) if d in w))
        said[name] = int(rows[name].sum())
    said["one_way"] = int(parts.map(lambda p: p[4] is not None).sum())
    said["vehicles"] = int(rows["vehicles"].sum())
    said["directions_do_not_add_up"] = int((rows["north_south"] + rows["east_west"] != rows["vehicles"]).sum())
    rows = placed(rows, number(rows["Longitude"]), number(rows["Latitude"]), boundaries)
    # Sums of vehicles, not counts of rows.
    return rows, summed(rows, said, "vehicles")


def weather(folder):
    rows = read(folder, "weather_daily.csv")
    _, said = judged(rows, {"KEY_DUPLICATE": rows["date"].duplicated()})
    return said


def main():
    folder = Path(next((a for a in sys.argv[1:] if not a.startswith("--")), "../shared/data/chicago_2013"))
    boundaries = Boundaries(folder / "boundary_community_areas.geojson")
    feeds = {
        "police.burglary": burglary, "services.sanitation_311": sanitation, "health.food_inspections": inspections,
        "transit.l_daily": trains, "traffic.adt_2006": traffic,
    }
    result, cells = {}, {}
    for name, count in feeds.items():
        rows, result[name] = count(folder, boundaries)
        cells[name] = set(rows["cell"])
    result["weather.daily"] = weather(folder)
    # The map has one row for every cell in which any feed has a row.
    union = Counter(cell for of in cells.values() for cell in of)
    result["map"] = {"cells": len(union), "cells_with_three_or_more": sum(n >= 3 for n in union.values())}
    if "--cells" not in sys.argv:
        for said in result.values():
            for key in ("by_cell", "by_area", "by_station"):
                said.pop(key, None)
    json.dump(result, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
