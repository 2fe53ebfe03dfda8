-- ---
-- alert: jam
-- ---
SELECT _area AS key, 'transport' AS category, 'Severe' AS severity, 'Jam' AS title_en, _cell AS cell
FROM traffic.speed
