-- ---
-- alert: alert_hotline
-- title: { en: Surge of hotline requests, zh: 热线诉求激增 }
-- key: key
-- refresh: live
-- window: 30 minutes on _event_time
-- tests: [ { not_null: [key, category, severity] }, { unique: [key] } ]
-- owner: hotline
-- doc: Neighbourhoods with eight or more requests about one subject within half an hour
-- ---
WITH surges AS (
  SELECT
    h3_cell_to_parent(_cell, 7) AS place, category AS subject,
    min(h3_cell_to_parent(_cell, 8)) AS cell, min(_area) AS area, count(*) AS requests
  FROM hotline.requests
  WHERE _event_time > now() - INTERVAL '30 minutes'
  GROUP BY 1, 2
  HAVING count(*) >= 8
)
SELECT
  'hotline-' || s.subject || '-' || h3_cell_to_string(s.place) AS key,
  'hotline_surge' AS category,
  CASE WHEN s.requests >= 20 THEN 'Moderate' ELSE 'Minor' END AS severity,
  'Surge of requests about ' || s.subject || ', ' || coalesce(c.name_en, 'outside') AS title_en,
  coalesce(c.name_zh, '市外') || '热线诉求激增：'
    || CASE s.subject WHEN 'water' THEN '供水' WHEN 'power' THEN '供电' WHEN 'gas' THEN '燃气' WHEN 'noise' THEN '噪声' WHEN 'road' THEN '道路'
         WHEN 'waste' THEN '垃圾' WHEN 'housing' THEN '住房' WHEN 'traffic' THEN '交通' WHEN 'environment' THEN '环境'
         WHEN 'consumer' THEN '消费' WHEN 'labour' THEN '劳动' ELSE '其他' END AS title_zh,
  s.cell AS cell,
  s.area AS area,
  s.subject AS subject,
  s.requests AS requests
FROM surges AS s
LEFT JOIN ref.areas AS c ON c.code = substr(s.area, 1, 6) AND c.level = 'county' AND c.valid_to IS NULL
