-- ---
-- table: header_misspelt
-- refrsh: live
-- ---
SELECT 1 AS n
