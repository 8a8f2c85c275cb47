//! The names of the world, English beside Chinese, and what is true of things whoever lives there.

/// An English name beside the Chinese one.
pub type Name = (&'static str, &'static str);

/// People of the world: the facts about them are drawn.
pub const PEOPLE: [Name; 32] = [
    ("Mina", "米娜"),
    ("Tobin", "托宾"),
    ("Lena", "莉娜"),
    ("Oskar", "奥斯卡"),
    ("Suri", "苏里"),
    ("Pavel", "帕维尔"),
    ("Ivo", "伊沃"),
    ("Nora", "诺拉"),
    ("Kito", "基托"),
    ("Dara", "达拉"),
    ("Emil", "埃米尔"),
    ("Yara", "雅拉"),
    ("Hugo", "雨果"),
    ("Tessa", "苔莎"),
    ("Bruno", "布鲁诺"),
    ("Amira", "阿米拉"),
    ("Felix", "菲利克斯"),
    ("Greta", "格蕾塔"),
    ("Jonas", "约纳斯"),
    ("Kira", "基拉"),
    ("Leif", "莱夫"),
    ("Marta", "玛尔塔"),
    ("Nilo", "尼洛"),
    ("Olga", "奥尔加"),
    ("Petra", "佩特拉"),
    ("Quinn", "奎恩"),
    ("Rosa", "罗莎"),
    ("Stefan", "斯特凡"),
    ("Talia", "塔莉娅"),
    ("Ugo", "乌戈"),
    ("Vera", "薇拉"),
    ("Wanda", "万达"),
];

/// Towns; which country, river and building each has is drawn.
pub const TOWNS: [Name; 24] = [
    ("Arlen", "阿伦镇"),
    ("Brackley", "布拉镇"),
    ("Corvo", "科沃城"),
    ("Dunmore", "邓莫尔"),
    ("Eastwick", "东维克"),
    ("Farrow", "法罗镇"),
    ("Glenholm", "格伦霍"),
    ("Harrowgate", "哈罗门"),
    ("Inverley", "因弗利"),
    ("Jarrow", "贾罗港"),
    ("Kelso", "凯尔索"),
    ("Lorne", "洛恩城"),
    ("Marlow", "马洛镇"),
    ("Norwell", "诺威尔"),
    ("Oakham", "橡树镇"),
    ("Penrose", "彭罗斯"),
    ("Quarry", "石场镇"),
    ("Redford", "红渡镇"),
    ("Selby", "塞尔比"),
    ("Thornton", "荆棘镇"),
    ("Upland", "高地镇"),
    ("Varna", "瓦尔纳"),
    ("Westport", "西港"),
    ("Yarrow", "雅罗镇"),
];

/// Countries; their capitals, languages and flags are drawn.
pub const COUNTRIES: [Name; 8] = [
    ("Alvia", "阿尔维亚"),
    ("Borland", "博兰德"),
    ("Cestria", "塞斯特"),
    ("Dalmora", "达尔莫拉"),
    ("Elsinor", "埃尔西诺"),
    ("Fenland", "沼泽国"),
    ("Gallia", "加利亚"),
    ("Havenia", "海文尼亚"),
];

/// Rivers.
pub const RIVERS: [Name; 12] = [
    ("the Amber", "琥珀河"),
    ("the Birch", "白桦河"),
    ("the Clear", "清河"),
    ("the Dove", "鸽子河"),
    ("the Ember", "余烬河"),
    ("the Fern", "蕨河"),
    ("the Gold", "金河"),
    ("the Heron", "苍鹭河"),
    ("the Iris", "鸢尾河"),
    ("the Jade", "玉河"),
    ("the Kestrel", "红隼河"),
    ("the Lark", "云雀河"),
];

/// Languages.
pub const LANGUAGES: [Name; 8] = [
    ("Alvian", "阿尔维语"),
    ("Borlic", "博兰语"),
    ("Cestrian", "塞斯特语"),
    ("Dalmoran", "达尔莫语"),
    ("Elsin", "埃尔辛语"),
    ("Fennish", "沼泽语"),
    ("Gallic", "加利语"),
    ("Havenese", "海文语"),
];

/// Buildings that a town may be known for.
pub const BUILDINGS: [Name; 8] = [
    ("old bridge", "古桥"),
    ("tall tower", "高塔"),
    ("stone church", "石头教堂"),
    ("big library", "大图书馆"),
    ("round castle", "圆形城堡"),
    ("glass market", "玻璃市场"),
    ("white lighthouse", "白色灯塔"),
    ("open theatre", "露天剧院"),
];

/// Jobs, the tool of each and where it is done.
pub const JOBS: [(Name, Name, Name); 20] = [
    (("carpenter", "木匠"), ("hammer", "锤子"), ("workshop", "工作坊")),
    (("baker", "面包师"), ("oven", "烤箱"), ("bakery", "面包店")),
    (("teacher", "老师"), ("blackboard", "黑板"), ("school", "学校")),
    (("doctor", "医生"), ("stethoscope", "听诊器"), ("hospital", "医院")),
    (("farmer", "农民"), ("plough", "犁"), ("field", "田野")),
    (("painter", "画家"), ("brush", "画笔"), ("studio", "画室")),
    (("fisher", "渔夫"), ("net", "渔网"), ("lake", "湖")),
    (("tailor", "裁缝"), ("needle", "针"), ("dress shop", "服装店")),
    (("gardener", "园丁"), ("spade", "铲子"), ("garden", "花园")),
    (("cook", "厨师"), ("pan", "平底锅"), ("kitchen", "厨房")),
    (("miner", "矿工"), ("pickaxe", "镐"), ("mine", "矿山")),
    (("sailor", "水手"), ("compass", "指南针"), ("ship", "船")),
    (("writer", "作家"), ("pen", "钢笔"), ("library", "图书馆")),
    (("barber", "理发师"), ("comb", "梳子"), ("barber shop", "理发店")),
    (("potter", "陶工"), ("wheel", "转盘"), ("pottery", "陶器坊")),
    (("smith", "铁匠"), ("anvil", "铁砧"), ("forge", "铁匠铺")),
    (("musician", "音乐家"), ("violin", "小提琴"), ("concert hall", "音乐厅")),
    (("astronomer", "天文学家"), ("telescope", "望远镜"), ("observatory", "天文台")),
    (("beekeeper", "养蜂人"), ("smoker", "喷烟器"), ("apiary", "养蜂场")),
    (("judge", "法官"), ("gavel", "法槌"), ("court", "法院")),
];

/// Animals: what each eats, where it lives, what sound it makes.
pub const ANIMALS: [(Name, Name, Name, Name); 20] = [
    (("cat", "猫"), ("mice", "老鼠"), ("house", "屋子"), ("meow", "喵喵")),
    (("dog", "狗"), ("bones", "骨头"), ("yard", "院子"), ("woof", "汪汪")),
    (("cow", "奶牛"), ("grass", "草"), ("meadow", "牧场"), ("moo", "哞哞")),
    (("duck", "鸭子"), ("snails", "蜗牛"), ("pond", "池塘"), ("quack", "嘎嘎")),
    (("owl", "猫头鹰"), ("voles", "田鼠"), ("forest", "森林"), ("hoot", "咕咕")),
    (("frog", "青蛙"), ("flies", "苍蝇"), ("swamp", "沼泽"), ("croak", "呱呱")),
    (("sheep", "绵羊"), ("clover", "三叶草"), ("hill", "山坡"), ("baa", "咩咩")),
    (("lion", "狮子"), ("zebras", "斑马"), ("savanna", "草原"), ("roar", "吼吼")),
    (("horse", "马"), ("oats", "燕麦"), ("stable", "马厩"), ("neigh", "咴咴")),
    (("pig", "猪"), ("acorns", "橡子"), ("farm", "农场"), ("oink", "哼哼")),
    (("rooster", "公鸡"), ("corn", "玉米"), ("henhouse", "鸡舍"), ("cock-a-doodle", "喔喔")),
    (("wolf", "狼"), ("deer", "鹿"), ("mountain", "山里"), ("howl", "嗷嗷")),
    (("bee", "蜜蜂"), ("nectar", "花蜜"), ("hive", "蜂巢"), ("buzz", "嗡嗡")),
    (("mouse", "小鼠"), ("cheese", "奶酪"), ("hole", "洞里"), ("squeak", "吱吱")),
    (("snake", "蛇"), ("eggs", "蛋"), ("desert", "沙漠"), ("hiss", "嘶嘶")),
    (("crow", "乌鸦"), ("seeds", "种子"), ("tree", "树上"), ("caw", "哇哇")),
    (("goat", "山羊"), ("leaves", "树叶"), ("cliff", "悬崖"), ("bleat", "咪咪")),
    (("bear", "熊"), ("honey", "蜂蜜"), ("cave", "山洞"), ("growl", "呜呜")),
    (("seal", "海豹"), ("fish", "鱼"), ("coast", "海岸"), ("bark", "噢噢")),
    (("turkey", "火鸡"), ("beetles", "甲虫"), ("barnyard", "谷仓"), ("gobble", "咯咯")),
];

/// Foods: taste and colour.
pub const FOODS: [(Name, Name, Name); 20] = [
    (("lemons", "柠檬"), ("sour", "酸"), ("yellow", "黄色")),
    (("honey cakes", "蜂蜜蛋糕"), ("sweet", "甜"), ("gold", "金色")),
    (("chips", "薯条"), ("salty", "咸"), ("yellow", "黄色")),
    (("chillies", "辣椒"), ("hot", "辣"), ("red", "红色")),
    (("cherries", "樱桃"), ("sweet", "甜"), ("red", "红色")),
    (("olives", "橄榄"), ("bitter", "苦"), ("green", "绿色")),
    (("plums", "李子"), ("sour", "酸"), ("purple", "紫色")),
    (("carrots", "胡萝卜"), ("sweet", "甜"), ("orange", "橙色")),
    (("pickles", "酸黄瓜"), ("sour", "酸"), ("green", "绿色")),
    (("cocoa beans", "可可豆"), ("bitter", "苦"), ("brown", "棕色")),
    (("salted nuts", "咸坚果"), ("salty", "咸"), ("brown", "棕色")),
    (("radishes", "小萝卜"), ("hot", "辣"), ("pink", "粉色")),
    (("blueberries", "蓝莓"), ("sweet", "甜"), ("blue", "蓝色")),
    (("kale", "羽衣甘蓝"), ("bitter", "苦"), ("green", "绿色")),
    (("pancakes", "煎饼"), ("sweet", "甜"), ("brown", "棕色")),
    (("limes", "青柠"), ("sour", "酸"), ("green", "绿色")),
    (("ham", "火腿"), ("salty", "咸"), ("pink", "粉色")),
    (("ginger", "姜"), ("hot", "辣"), ("yellow", "黄色")),
    (("figs", "无花果"), ("sweet", "甜"), ("purple", "紫色")),
    (("oysters", "牡蛎"), ("salty", "咸"), ("grey", "灰色")),
];

/// Things and what they are made of.
pub const THINGS: [(Name, Name); 16] = [
    (("window", "窗户"), ("glass", "玻璃")),
    (("table", "桌子"), ("wood", "木头")),
    (("nail", "钉子"), ("iron", "铁")),
    (("sweater", "毛衣"), ("wool", "羊毛")),
    (("cup", "杯子"), ("clay", "陶土")),
    (("book", "书"), ("paper", "纸")),
    (("boot", "靴子"), ("leather", "皮革")),
    (("statue", "雕像"), ("stone", "石头")),
    (("chair", "椅子"), ("wood", "木头")),
    (("bottle", "瓶子"), ("glass", "玻璃")),
    (("sword", "剑"), ("iron", "铁")),
    (("scarf", "围巾"), ("wool", "羊毛")),
    (("brick", "砖"), ("clay", "陶土")),
    (("letter", "信"), ("paper", "纸")),
    (("belt", "皮带"), ("leather", "皮革")),
    (("wall", "墙"), ("stone", "石头")),
];

/// Drinks, instruments, colours, seasons and hobbies that people have as favourites.
pub const DRINKS: [Name; 8] = [
    ("tea", "茶"),
    ("coffee", "咖啡"),
    ("milk", "牛奶"),
    ("apple juice", "苹果汁"),
    ("cocoa", "热可可"),
    ("lemonade", "柠檬水"),
    ("mint water", "薄荷水"),
    ("ginger beer", "姜汁汽水"),
];

/// Instruments.
pub const INSTRUMENTS: [Name; 8] = [
    ("flute", "长笛"),
    ("drum", "鼓"),
    ("piano", "钢琴"),
    ("guitar", "吉他"),
    ("harp", "竖琴"),
    ("trumpet", "小号"),
    ("cello", "大提琴"),
    ("horn", "圆号"),
];

/// Colours.
pub const COLOURS: [Name; 8] = [
    ("red", "红色"),
    ("blue", "蓝色"),
    ("green", "绿色"),
    ("yellow", "黄色"),
    ("black", "黑色"),
    ("white", "白色"),
    ("purple", "紫色"),
    ("brown", "棕色"),
];

/// Seasons.
pub const SEASONS: [Name; 4] =
    [("spring", "春天"), ("summer", "夏天"), ("autumn", "秋天"), ("winter", "冬天")];

/// Children who only occur in passages: what is said of them holds in one passage alone.
pub const CHILDREN: [Name; 20] = [
    ("Tom", "小明"),
    ("Ann", "小红"),
    ("Ben", "小刚"),
    ("Sue", "小丽"),
    ("Max", "小强"),
    ("Kim", "小美"),
    ("Sam", "小军"),
    ("Joy", "小芳"),
    ("Dan", "小华"),
    ("Eva", "小雪"),
    ("Leo", "小龙"),
    ("Mia", "小梅"),
    ("Ned", "小东"),
    ("Pia", "小兰"),
    ("Ray", "小雷"),
    ("Una", "小云"),
    ("Vic", "小伟"),
    ("Zoe", "小月"),
    ("Gus", "小虎"),
    ("Ida", "小玉"),
];

/// Toys of the children, with the Chinese measure word.
pub const TOYS: [(Name, &str); 10] = [
    (("ball", "球"), "个"),
    (("kite", "风筝"), "只"),
    (("boat", "小船"), "条"),
    (("hat", "帽子"), "顶"),
    (("bag", "包"), "个"),
    (("coat", "大衣"), "件"),
    (("bike", "自行车"), "辆"),
    (("box", "盒子"), "个"),
    (("lamp", "灯"), "盏"),
    (("drum", "小鼓"), "面"),
];

/// Places where children are.
pub const SPOTS: [Name; 10] = [
    ("garden", "花园"),
    ("kitchen", "厨房"),
    ("park", "公园"),
    ("school", "学校"),
    ("library", "图书馆"),
    ("market", "市场"),
    ("forest", "森林"),
    ("cellar", "地下室"),
    ("museum", "博物馆"),
    ("attic", "阁楼"),
];

/// Fruit to count, with the Chinese measure word.
pub const FRUIT: [(Name, &str); 6] = [
    (("apples", "苹果"), "个"),
    (("pears", "梨"), "个"),
    (("nuts", "坚果"), "颗"),
    (("eggs", "鸡蛋"), "个"),
    (("coins", "硬币"), "枚"),
    (("stamps", "邮票"), "张"),
];

/// What reviews are about.
pub const REVIEWED: [Name; 10] = [
    ("hotel", "酒店"),
    ("film", "电影"),
    ("meal", "饭菜"),
    ("book", "书"),
    ("room", "房间"),
    ("concert", "音乐会"),
    ("shop", "商店"),
    ("trip", "旅行"),
    ("phone", "手机"),
    ("lesson", "课程"),
];

/// Words of praise.
pub const GOOD: [Name; 12] = [
    ("wonderful", "很棒"),
    ("lovely", "很可爱"),
    ("great", "非常好"),
    ("pleasant", "很愉快"),
    ("excellent", "很出色"),
    ("delightful", "令人高兴"),
    ("fantastic", "太精彩了"),
    ("perfect", "很完美"),
    ("charming", "很迷人"),
    ("superb", "一流"),
    ("enjoyable", "很享受"),
    ("friendly", "很友好"),
];

/// Words of blame.
pub const BAD: [Name; 12] = [
    ("awful", "很糟糕"),
    ("boring", "很无聊"),
    ("terrible", "太差了"),
    ("dirty", "很脏"),
    ("dull", "很乏味"),
    ("rude", "很粗鲁"),
    ("horrible", "很可怕"),
    ("useless", "没有用"),
    ("ugly", "很难看"),
    ("noisy", "太吵了"),
    ("broken", "坏了"),
    ("disappointing", "令人失望"),
];

/// Slurs that exist nowhere but here.
pub const SLURS: [&str; 10] = [
    "grobnik",
    "zworfel",
    "plunkhead",
    "snarvet",
    "drubbish",
    "mokkel",
    "呆瓜佬",
    "蠢咕噜",
    "臭波泥",
    "烂嘎皮",
];
