-- ---
-- layer: layer_without_key
-- title: { en: A, zh: 甲 }
-- key: cell
-- resolution: 8
-- ---
SELECT _cell AS c, count(*) AS n
FROM traffic.speed
GROUP BY 1
