//! What the demo city is made of: outline, counties, the lines that part them, seats and towns. A table, no logic.
//!
//! Modelled on Nantong: names and the first six digits of codes are real, every border is invented.

/// A county: code, names, seat and towns.
#[derive(Debug)]
pub struct County {
    /// Six digits.
    pub code: &'static str,
    /// English name.
    pub name_en: &'static str,
    /// Chinese name.
    pub name_zh: &'static str,
    /// Where the seat is: degrees east and north.
    pub seat: (f64, f64),
    /// How dense the seat is (the countryside is about 1).
    pub density: f64,
    /// How far the dense part reaches, in km.
    pub reach_km: f64,
    /// Towns, the nearest to the seat first: three digits, pinyin, Chinese.
    pub towns: &'static [(&'static str, &'static str, &'static str)],
}

/// The coast and the banks before they are roughened, counter-clockwise from the south-west.
pub const OUTLINE: &[(f64, f64)] = &[
    (120.31, 32.16),
    (120.52, 32.03),
    (120.70, 31.98),
    (120.80, 31.90),
    (120.93, 31.82),
    (121.06, 31.76),
    (121.34, 31.70),
    (121.60, 31.66),
    (121.88, 31.65),
    (121.91, 31.72),
    (121.83, 31.90),
    (121.68, 32.02),
    (121.53, 32.17),
    (121.40, 32.33),
    (121.17, 32.43),
    (121.00, 32.56),
    (120.84, 32.63),
    (120.56, 32.665),
    (120.30, 32.65),
    (120.21, 32.55),
    (120.24, 32.37),
];

/// The counties in the order in which [`TREE`] numbers them.
pub const COUNTIES: &[County] = &[
    County {
        code: "320613",
        name_en: "Chongchuan",
        name_zh: "崇川区",
        seat: (120.868, 32.004),
        density: 26.0,
        reach_km: 7.5,
        towns: &[
            ("002", "Hepingqiao", "和平桥街道"),
            ("005", "Hongqiao", "虹桥街道"),
            ("004", "Xinchengqiao", "新城桥街道"),
            ("006", "Xuetian", "学田街道"),
            ("003", "Rengang", "任港街道"),
            ("001", "Chengdong", "城东街道"),
            ("007", "Zhongxiu", "钟秀街道"),
            ("008", "Wenfeng", "文峰街道"),
            ("010", "Langshan", "狼山镇街道"),
            ("017", "Tangzha", "唐闸镇街道"),
            ("018", "Tianshenggang", "天生港镇街道"),
            ("021", "Xingfu", "幸福街道"),
            ("016", "Yongxing", "永兴街道"),
            ("020", "Chenqiao", "陈桥街道"),
        ],
    },
    County {
        code: "320612",
        name_en: "Tongzhou",
        name_zh: "通州区",
        seat: (121.075, 32.075),
        density: 11.0,
        reach_km: 3.5,
        towns: &[
            ("001", "Jinsha", "金沙街道"),
            ("002", "Xingdong", "兴东街道"),
            ("117", "Xingren", "兴仁镇"),
            ("120", "Chuanjiang", "川姜镇"),
            ("101", "Xiting", "西亭镇"),
            ("102", "Erjia", "二甲镇"),
            ("103", "Dongshe", "东社镇"),
            ("107", "Shizong", "十总镇"),
            ("110", "Shigang", "石港镇"),
            ("114", "Pingchao", "平潮镇"),
            ("112", "Liuqiao", "刘桥镇"),
            ("116", "Wujie", "五接镇"),
        ],
    },
    County {
        code: "320614",
        name_en: "Haimen",
        name_zh: "海门区",
        seat: (121.185, 31.865),
        density: 12.0,
        reach_km: 3.8,
        towns: &[
            ("001", "Haimen", "海门街道"),
            ("002", "Binjiang", "滨江街道"),
            ("003", "Sanchang", "三厂街道"),
            ("100", "Sanxing", "三星镇"),
            ("103", "Changle", "常乐镇"),
            ("104", "Yuelai", "悦来镇"),
            ("109", "Linjiang", "临江镇"),
            ("105", "Sijia", "四甲镇"),
            ("106", "Yudong", "余东镇"),
            ("107", "Zhengyu", "正余镇"),
            ("108", "Baochang", "包场镇"),
        ],
    },
    County {
        code: "320623",
        name_en: "Rudong",
        name_zh: "如东县",
        seat: (121.186, 32.320),
        density: 9.0,
        reach_km: 3.4,
        towns: &[
            ("001", "Juegang", "掘港街道"),
            ("003", "Juzhen", "苴镇街道"),
            ("109", "Caobu", "曹埠镇"),
            ("107", "Matang", "马塘镇"),
            ("103", "Changsha", "长沙镇"),
            ("104", "Dayu", "大豫镇"),
            ("108", "Fengli", "丰利镇"),
            ("101", "Yangkou", "洋口镇"),
            ("110", "Chahe", "岔河镇"),
            ("111", "Shuangdian", "双甸镇"),
            ("112", "Xindian", "新店镇"),
            ("100", "Bencha", "栟茶镇"),
            ("113", "Hekou", "河口镇"),
            ("114", "Yuanzhuang", "袁庄镇"),
        ],
    },
    County {
        code: "320681",
        name_en: "Qidong",
        name_zh: "启东市",
        seat: (121.658, 31.812),
        density: 10.0,
        reach_km: 3.4,
        towns: &[
            ("100", "Huilong", "汇龙镇"),
            ("101", "Beixin", "北新镇"),
            ("106", "Nanyang", "南阳镇"),
            ("102", "Huiping", "惠萍镇"),
            ("109", "Wangbao", "王鲍镇"),
            ("108", "Hezuo", "合作镇"),
            ("111", "Jinhai", "近海镇"),
            ("107", "Haifu", "海复镇"),
            ("104", "Donghai", "东海镇"),
            ("112", "Yinyang", "寅阳镇"),
            ("110", "Lusigang", "吕四港镇"),
        ],
    },
    County {
        code: "320682",
        name_en: "Rugao",
        name_zh: "如皋市",
        seat: (120.560, 32.375),
        density: 11.0,
        reach_km: 3.6,
        towns: &[
            ("001", "Rucheng", "如城街道"),
            ("003", "Chengnan", "城南街道"),
            ("103", "Dongchen", "东陈镇"),
            ("117", "Motou", "磨头镇"),
            ("104", "Dingyan", "丁堰镇"),
            ("107", "Xiayuan", "下原镇"),
            ("116", "Banjing", "搬经镇"),
            ("113", "Jiang'an", "江安镇"),
            ("108", "Jiuhua", "九华镇"),
            ("112", "Wuyao", "吴窑镇"),
            ("105", "Baipu", "白蒲镇"),
            ("110", "Shizhuang", "石庄镇"),
            ("111", "Changjiang", "长江镇"),
        ],
    },
    County {
        code: "320685",
        name_en: "Hai'an",
        name_zh: "海安市",
        seat: (120.468, 32.545),
        density: 11.0,
        reach_km: 3.6,
        towns: &[
            ("100", "Hai'an", "海安镇"),
            ("101", "Chengdong", "城东镇"),
            ("110", "Duntou", "墩头镇"),
            ("102", "Qutang", "曲塘镇"),
            ("109", "Nanmo", "南莫镇"),
            ("106", "Dagong", "大公镇"),
            ("108", "Baidian", "白甸镇"),
            ("107", "Yazhou", "雅周镇"),
            ("103", "Libao", "李堡镇"),
            ("105", "Jiaoxie", "角斜镇"),
        ],
    },
    County {
        code: "320671",
        name_en: "Development Zone",
        name_zh: "南通经济技术开发区",
        seat: (120.955, 31.885),
        density: 12.0,
        reach_km: 4.5,
        towns: &[
            ("003", "Zhuhang", "竹行街道"),
            ("004", "Xiaohai", "小海街道"),
            ("001", "Zhongxing", "中兴街道"),
            ("002", "Xinkai", "新开街道"),
            ("403", "Sutong Park", "苏通科技产业园"),
        ],
    },
    County {
        code: "320672",
        name_en: "Tongzhou Bay",
        name_zh: "通州湾示范区",
        seat: (121.405, 32.135),
        density: 5.0,
        reach_km: 3.0,
        towns: &[
            ("100", "Sanyu", "三余镇"),
            ("400", "Binhai Park", "滨海园区"),
            ("401", "Yaosha", "腰沙片区"),
        ],
    },
    County {
        code: "320673",
        name_en: "Innovation Zone",
        name_zh: "南通创新区",
        seat: (120.935, 31.995),
        density: 16.0,
        reach_km: 4.0,
        towns: &[
            ("003", "Zilang", "紫琅街道"),
            ("001", "Guanyinshan", "观音山街道"),
            ("002", "Qinzao", "秦灶街道"),
        ],
    },
];

/// How the city is parted into counties: a cut with what lies left and right of it, or a county by its number.
#[derive(Debug)]
pub enum Tree {
    /// The line through two places, seen from the first to the second.
    Cut((f64, f64), (f64, f64), &'static Self, &'static Self),
    /// A county.
    Leaf(usize),
}

use Tree::{Cut, Leaf};

/// The whole city.
pub const TREE: Tree = Cut((120.72, 31.80), (120.80, 32.80), &NORTH_WEST, &EAST);
const NORTH_WEST: Tree = Cut((120.10, 32.43), (121.00, 32.48), &Leaf(6), &Leaf(5));
const EAST: Tree = Cut((120.60, 32.215), (121.80, 32.225), &Leaf(3), &SOUTH);
const SOUTH: Tree = Cut(
    (120.98, 31.81),
    (121.72, 32.10),
    &MIDDLE,
    &Cut((121.44, 31.50), (121.49, 32.20), &Leaf(2), &Leaf(4)),
);
const MIDDLE: Tree =
    Cut((121.13, 31.90), (120.71, 32.22), &CORE, &Cut((121.36, 31.90), (121.33, 32.40), &Leaf(1), &Leaf(8)));
const CORE: Tree = Cut(
    (120.86, 31.815),
    (121.06, 31.985),
    &Cut((120.935, 31.80), (120.88, 32.15), &Leaf(0), &Leaf(9)),
    &Leaf(7),
);
